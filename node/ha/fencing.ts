import { type HaFence, haKeys } from '../contract/ha.ts';
import type { HostId } from '../contract/ids.ts';
import {
  type Action,
  type Guard,
  type Kept,
  type Member,
  mayBeFenced,
  type Note,
  nameOf,
  type Observation,
  type View,
  type Volume,
} from './model.ts';
import { proofOf } from './proofs.ts';
import type { Since } from './since.ts';
import { heardByMajority, mayFenceOneMore, silentForMajority } from './tally.ts';
import { type Timings, watchdogProofMs } from './timings.ts';

/**
 * The leader's part in fencing. Ground rules: never on one host's word; never more hosts than the cluster can lose; a
 * fence is `fenced` only by a proof; it is lifted only when the host is back, heard by all, and runs nothing.
 *
 *   (none) -- silent, or its agent is gone --> fencing -- proof --> fenced -- back, runs nothing --> lifting --> (none)
 *                                               fencing -- heard again, nothing was moved ----------^
 */
export function decideFencing(
  seen: Observation,
  view: View,
  leader: Guard,
  since: Since,
  times: Timings,
  disarmed: boolean,
): Action[] {
  const actions: Action[] = [];
  let begun = false;
  for (const member of view.members) {
    if (member.id === seen.self) continue;
    const kept = view.fences.get(member.id);
    if (kept !== undefined) {
      actions.push(...goOn(view, kept, leader, since, times));
      continue;
    }
    if (mayBeFenced(view, member.id)) continue;
    const why = whyToFence(seen, view, member, since, times);
    // One at a time: the next one is counted against what this one leaves.
    if (why === undefined || begun || disarmed || isAtRest(view, member.id)) continue;
    if (mayFenceOneMore(view)) {
      begun = true;
      actions.push(begin(view, member, why, seen.nonce, leader));
    } else if (since.held(`too-many:${member.id}`, true) === 0) {
      const text = `${member.name} is not fenced although ${why}: too many hosts are lost already.`;
      actions.push({
        kind: 'tell',
        key: `too-many:${member.id}`,
        told: { severity: 'error', about: member.id, text },
      });
    }
  }
  return actions;
}

function whyToFence(
  seen: Observation,
  view: View,
  member: Member,
  since: Since,
  times: Timings,
): string | undefined {
  const gone = !view.reports.has(member.id);
  const silent = silentForMajority(view, member.id);
  const heard = seen.heard.get(member.id);
  const recent = heard !== undefined && seen.nowMs - heard.atMs < times.silentMs;
  const agentGone = since.held(`refused:${member.id}`, gone && recent && heard?.answer === 'refused');
  const alone = since.held(
    `alone:${member.id}`,
    gone && recent && heard?.answer === 'agent' && !heard.hasContact,
  );
  if (silent) return 'most hosts have not heard it on any network';
  if (agentGone !== undefined && agentGone >= times.agentGraceMs) return 'its agent does not come back';
  if (alone !== undefined && alone >= times.silentMs) return 'it says that it has lost the majority';
  return undefined;
}

function begin(view: View, member: Member, why: string, id: string, leader: Guard): Action {
  const key = haKeys.fence(member.id);
  // What was counted must still be said when the fence is written.
  const evidence = [...view.reports.values()]
    .filter(({ value }) => value.silent.includes(member.id))
    .map(({ value, revision }) => ({ key: haKeys.report(value.host), revision }));
  // Without a majority of them it rests on its own silence: its report must still be gone.
  if (!silentForMajority(view, member.id)) evidence.push({ key: haKeys.report(member.id), revision: 0 });
  // ... and the other fences must be those that it was counted against.
  const others = view.members
    .filter(({ id }) => id !== member.id)
    .map(({ id }) => ({ key: haKeys.fence(id), revision: view.fences.get(id)?.revision ?? 0 }));
  // ... and nobody may have disarmed HA meanwhile.
  if (!view.unreadable.has(haKeys.disarmed)) evidence.push({ key: haKeys.disarmed, revision: 0 });
  const value: HaFence = { v: 1, id, host: member.id, phase: 'fencing', why };
  return {
    kind: 'write',
    key,
    guards: [leader, { key, revision: 0 }, ...others, ...evidence],
    writes: [{ key, value }],
    told: {
      severity: 'warning',
      about: member.id,
      text: `${member.name} is cut off from the storage: ${why}.`,
    },
  };
}

function goOn(view: View, kept: Kept<HaFence>, leader: Guard, since: Since, times: Timings): Action[] {
  const fence = kept.value;
  const name = nameOf(view, fence.host);
  const report = view.reports.get(fence.host)?.value;
  const settled = since.held(
    `settled:${fence.id}`,
    report !== undefined && heardByMajority(view, fence.host),
  );
  const isBack = settled !== undefined && settled >= times.settledMs;
  // Counted from when its lease was seen gone: until then it may have fed its watchdog.
  const goneMs = since.held(`gone:${fence.id}`, report === undefined) ?? 0;
  const key = haKeys.fence(fence.host);
  const rewrite = (change: Partial<HaFence>, severity: Note['severity'], text: string): Action[] => [
    {
      kind: 'write',
      key,
      guards: [leader, { key, revision: kept.revision }],
      writes: [{ key, value: { ...fence, ...change } }],
      told: { severity, about: fence.host, text },
    },
  ];
  switch (fence.phase) {
    case 'fencing': {
      const proof = proofOf(fence, view.proofs.get(fence.id) ?? [], volumesOf(view, fence.host));
      if (proof.proven)
        return rewrite(
          { phase: 'fenced', proof: proof.says },
          'warning',
          `${name} can write nothing any more: ${proof.says}`,
        );
      const watchdog = view.watchdogs.get(fence.host)?.value;
      if (watchdog !== undefined && goneMs >= watchdogProofMs(times, watchdog.timeoutMs)) {
        const says = `its watchdog has reset it: it was not fed for ${Math.round(goneMs / 1000)} s`;
        return rewrite(
          { phase: 'fenced', proof: says },
          'warning',
          `${name} can write nothing any more: ${says}.`,
        );
      }
      if (isBack)
        return rewrite({ phase: 'lifting' }, 'info', `${name} is heard again before anything was moved.`);
      return [{ kind: 'power-off', key: `power:${fence.host}`, host: fence.host, fence: fence.id }];
    }
    case 'fenced': {
      const back = view.returns.get(fence.host);
      const clean = back?.fence === fence.id && back.instance === report?.instance;
      if (isBack && clean) return rewrite({ phase: 'lifting' }, 'info', `${name} may have its storage back.`);
      return [];
    }
    case 'lifting':
      return forget(view, kept, leader);
  }
}

/** In maintenance, with nothing that could run there: when it is off, there is nothing to keep it from. */
const isAtRest = (view: View, host: HostId): boolean =>
  view.maintenance.has(host) &&
  [...view.assignments.values()].every(({ value }) => value.host !== host && value.movingTo !== host) &&
  ![...view.unreadable].some((key) => key.startsWith(haKeys.assignment('')));

/** Gone when no host that is there refuses it any more; a host that is not there takes its rules away when it comes. */
function forget(view: View, kept: Kept<HaFence>, leader: Guard): Action[] {
  const { id, host } = kept.value;
  if ([...view.reports.values()].some(({ value }) => value.barred.includes(id))) return [];
  const key = haKeys.fence(host);
  const proofs = (view.proofs.get(id) ?? []).map(({ by, kind }) => haKeys.proof(id, by, kind));
  const gone = [key, ...proofs, ...(view.returns.has(host) ? [haKeys.returned(host)] : [])];
  return [
    {
      kind: 'write',
      key,
      guards: [leader, { key, revision: kept.revision }],
      writes: gone.map((one) => ({ key: one, remove: true })),
      told: { severity: 'info', about: host, text: `${nameOf(view, host)} belongs to the cluster again.` },
    },
  ];
}

/** All that the host's VMs may be writing to. */
function volumesOf(view: View, host: HostId): Volume[] {
  const names = new Set<string>();
  for (const { value } of view.assignments.values())
    if (value.host === host || value.movingTo === host)
      for (const name of view.vms.get(value.vm)?.volumes ?? view.volumes.map((volume) => volume.name))
        names.add(name);
  // Storage that is not known here is none that others can keep it from.
  return [...names].map(
    (name) => view.volumes.find((volume) => volume.name === name) ?? { name, replicaSets: [[host]] },
  );
}
