import { haKeys } from '../contract/ha.ts';
import type { Contact } from './contact.ts';
import { type Action, nameOf, type Observation } from './model.ts';

/**
 * This host's part in fencing others, and in being fenced. Rules come before the word for them; they stay, over restarts,
 * until a view that is certain says that they are not wanted: a rule too long costs time, one too short costs data.
 */
export function decideBarring(seen: Observation, contact: Contact): Action[] {
  const actions: Action[] = [];
  const { view } = seen;
  if (view === undefined || contact !== 'sure') return actions;
  for (const [host, { value: fence, revision }] of view.fences) {
    if (host === seen.self) continue;
    if (fence.phase === 'lifting') continue;
    if (seen.barred.get(host) !== fence.id) {
      actions.push({ kind: 'bar', key: `bar:${host}`, host, fence: fence.id });
      continue;
    }
    const told = view.proofs.get(fence.id)?.some(({ by, kind }) => by === seen.self && kind === 'storage');
    if (fence.phase !== 'fencing' || told === true) continue;
    const key = haKeys.proof(fence.id, seen.self, 'storage');
    const says = `${nameOf(view, seen.self)} refuses ${nameOf(view, host)} at its storage.`;
    actions.push({
      kind: 'write',
      key,
      // The fence must be as it was: a proof for one that is being lifted would outlive its rules.
      guards: [
        { key: haKeys.fence(host), revision },
        { key, revision: 0 },
      ],
      writes: [{ key, value: { v: 1, fence: fence.id, by: seen.self, kind: 'storage', says } }],
    });
  }
  for (const host of seen.barred.keys()) {
    if (view.unreadable.has(haKeys.fence(host))) continue;
    const wanted = view.fences.get(host)?.value;
    if (wanted !== undefined && wanted.phase !== 'lifting') continue;
    actions.push({ kind: 'unbar', key: `bar:${host}`, host });
  }
  const own = view.fences.get(seen.self)?.value;
  if (own !== undefined && own.phase === 'fenced' && seen.vms?.length === 0) {
    const back = view.returns.get(seen.self);
    if (back?.fence !== own.id || back.instance !== seen.instance) {
      const key = haKeys.returned(seen.self);
      const value = { v: 1, fence: own.id, host: seen.self, instance: seen.instance };
      const text = `${nameOf(view, seen.self)} is back and runs nothing.`;
      const told = { severity: 'info' as const, about: seen.self, text };
      actions.push({ kind: 'write', key, guards: [], writes: [{ key, value }], told });
    }
  }
  return actions;
}
