import { haKeys, longestDisarmMs } from '../contract/ha.ts';
import type { Contact } from './contact.ts';
import type { Action, Guard, Observation, View } from './model.ts';
import type { Since } from './since.ts';

/**
 * HA disarmed for planned work: no host is fenced, and none ends its VMs because it lost the others. It ends by itself, and
 * no clock on the wall is asked for that: each agent counts what is left from when it saw the record, the leader writes
 * anew what is left each minute, so that an agent or a whole cluster that starts again loses a minute of the count at most.
 *
 * safety: a host that spares its VMs feeds its watchdog, so the watchdog is no proof about it meanwhile: its record goes
 * first, and only a host whose record is gone spares its VMs. It may not hear that HA was armed again; then the others prove
 * that it writes nothing by what they do themselves.
 */
const countMs = 60_000;
const prefix = 'disarmed:';

/** Of these it is counted on when the agent stood still: that time has passed too. */
export const countsOn = ([key]: [string, number]): boolean => key.startsWith(prefix);

/** What is left of it; undefined: HA is armed. */
export function disarmedMs(view: View | undefined, since: Since): number | undefined {
  const kept = view?.disarmed;
  // One that cannot be read may be one, but not for longer than any may be.
  const isUnclear = view?.unreadable.has(haKeys.disarmed) === true;
  const heldMs = since.held(`${prefix}${kept?.revision ?? 'unreadable'}`, kept !== undefined || isUnclear);
  if (heldMs === undefined) return undefined;
  const leftMs = (kept?.value.leftMs ?? longestDisarmMs) - heldMs;
  return leftMs > 0 ? leftMs : undefined;
}

/** A host that is alone leaves its VMs alone. */
export function spared(contact: Contact, seen: Observation, leftMs: number | undefined): Contact {
  const { view, self } = seen;
  if (contact !== 'lost' || leftMs === undefined || view?.disarmed === undefined) return contact;
  return view.watchdogs.has(self) || view.fences.has(self) ? contact : 'doubtful';
}

/** The leader's count. */
export function decideDisarmed(
  seen: Observation,
  view: View,
  leader: Guard,
  leftMs: number | undefined,
): Action[] {
  const kept = view.disarmed;
  if (kept === undefined) return [];
  const key = haKeys.disarmed;
  const guards = [leader, { key, revision: kept.revision }];
  if (leftMs === undefined) {
    const text = 'HA is armed again: the time for planned work is over.';
    const told = { severity: 'info' as const, about: seen.self, text };
    return [{ kind: 'write', key, guards, writes: [{ key, remove: true }], told }];
  }
  if (kept.value.leftMs - leftMs < countMs) return [];
  return [
    { kind: 'write', key, guards, writes: [{ key, value: { ...kept.value, leftMs: Math.ceil(leftMs) } }] },
  ];
}
