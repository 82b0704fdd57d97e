import { type HaReport, haKeys } from '../contract/ha.ts';
import type { HostId } from '../contract/ids.ts';
import { decideBarring } from './barring.ts';
import { type Contact, contactOf } from './contact.ts';
import { countsOn, decideDisarmed, disarmedMs, spared } from './disarmed.ts';
import { decideEngine } from './engine-liveness.ts';
import { decideFencing } from './fencing.ts';
import { decideGiving } from './giving.ts';
import {
  type Action,
  type Decision,
  type Guard,
  type Memory,
  mayBeFenced,
  nameOf,
  type Observation,
  type View,
} from './model.ts';
import { decideOwnVms } from './own-vms.ts';
import { Since } from './since.ts';
import { startOrder } from './start-order.ts';
import { silentForMajority } from './tally.ts';
import type { Timings } from './timings.ts';

/**
 * One tick of one host's HA agent: what it sees -> what it wants done. Pure; the same in the agent and in the simulator.
 * Every agent does its own part (own VMs, rules against lost hosts, its report, its watchdog) and tries to lead; the one
 * whose name is in the store leads. Two that both think so do no harm: each of a leader's writes names the leader's
 * record as it was when it became leader.
 */
export function decide(memory: Memory, seen: Observation, times: Timings): Decision {
  const stalled = memory.tickMs !== undefined && seen.nowMs - memory.tickMs > times.stallMs;
  const steadySinceMs = stalled ? seen.nowMs : memory.steadySinceMs;
  const since = new Since(stalled ? new Map([...memory.since].filter(countsOn)) : memory.since, seen.nowMs);
  const disarmed = disarmedMs(seen.view, since);
  // Nobody was asked before it was known: a host that has just joined is not silent.
  const known = new Set(
    seen.view?.members
      .map(({ id }) => ({ id, forMs: since.held(`member:${id}`, true) ?? 0 }))
      .filter(({ forMs }) => forMs >= times.silentMs)
      .map(({ id }) => id),
  );
  const contact = spared(contactOf(seen, { ...memory, steadySinceMs }, since, times), seen, disarmed);
  const own = decideOwnVms(seen, contact, memory.tries, since, times);
  const engine = decideEngine(seen, contact, memory.engine, since, times);
  const isTurnOf =
    seen.view === undefined ? () => false : startOrder(seen, seen.view, memory.startedMs, since, times);
  const stays = own.actions.filter(
    (one) => one.kind !== 'start-vm' || (one.vm !== engine.leaves && isTurnOf(one.vm)),
  );
  const actions: Action[] = [...engine.actions, ...stays, ...decideBarring(seen, contact)];
  if (seen.watchdogMs !== undefined && mayFeed(seen, contact, times, since))
    actions.push({ kind: 'feed-watchdog', key: 'watchdog' });
  if (seen.view !== undefined && contact === 'sure') {
    actions.push(
      ...report(seen, seen.view, steadySinceMs, known, times),
      ...watchdogRecord(seen, seen.view, disarmed),
    );
    actions.push(...lead(seen, seen.view, since, times, disarmed));
  }
  return {
    memory: {
      startedMs: memory.startedMs,
      tickMs: seen.nowMs,
      steadySinceMs,
      since: since.next,
      tries: own.tries,
      engine: engine.memory,
    },
    actions,
    contact,
  };
}

/** Hosts that this one has not heard for `silentMs` of a time in which it could have heard them. */
function silentHosts(
  seen: Observation,
  view: View,
  steadySinceMs: number,
  known: ReadonlySet<HostId>,
  times: Timings,
) {
  return view.members
    .map(({ id }) => id)
    .filter((id) => {
      if (id === seen.self || !known.has(id)) return false;
      const lastMs = Math.max(seen.heard.get(id)?.atMs ?? Number.NEGATIVE_INFINITY, steadySinceMs);
      return seen.nowMs - lastMs >= times.silentMs;
    })
    .sort();
}

function report(
  seen: Observation,
  view: View,
  steadySinceMs: number,
  known: ReadonlySet<HostId>,
  times: Timings,
): Action[] {
  const key = haKeys.report(seen.self);
  const before = view.reports.get(seen.self);
  const vms = seen.vms
    ?.map(({ vm, epoch, state, incoming }) => {
      const told = state === 'ending' ? ('running' as const) : state;
      return { vm, epoch, state: incoming === true ? ('starting' as const) : told };
    })
    .sort((a, b) => (a.vm < b.vm ? -1 : 1));
  const value: HaReport = {
    v: 1,
    host: seen.self,
    instance: seen.instance,
    silent: silentHosts(seen, view, steadySinceMs, known, times),
    vms: vms ?? before?.value.vms ?? [],
    vmsKnown: vms !== undefined,
    freeMemoryMiB: seen.freeMemoryMiB,
    maintenance: seen.maintenance,
    barred: [...seen.barred.values()].sort(),
  };
  if (before !== undefined && JSON.stringify(before.value) === JSON.stringify(value)) return [];
  return [{ kind: 'write', key, guards: [], writes: [{ key, value, onLease: true }] }];
}

function watchdogRecord(seen: Observation, view: View, disarmed: number | undefined): Action[] {
  const key = haKeys.watchdog(seen.self);
  const kept = view.watchdogs.get(seen.self);
  const guards: Guard[] = [{ key, revision: kept?.revision ?? 0 }];
  if (seen.watchdogMs === undefined || disarmed !== undefined)
    return kept === undefined ? [] : [{ kind: 'write', key, guards, writes: [{ key, remove: true }] }];
  if (kept?.value.instance === seen.instance && kept.value.timeoutMs === seen.watchdogMs) return [];
  // safety: who was cut off right after this must know by its view that others count on it (disarmed.ts).
  if (!view.unreadable.has(haKeys.disarmed))
    guards.push({ key: haKeys.disarmed, revision: view.disarmed?.revision ?? 0 });
  const value = { v: 1, host: seen.self, instance: seen.instance, timeoutMs: seen.watchdogMs };
  return [{ kind: 'write', key, guards, writes: [{ key, value }] }];
}

/** Fed while all is well, or while VMs are being ended in time. Nothing runs here: nothing to protect. */
function mayFeed(seen: Observation, contact: Contact, times: Timings, since: Since): boolean {
  const idle = seen.vms?.length === 0;
  // safety: an agent that began anew does not know how long the one before had been alone.
  if (seen.contactMs === undefined && !idle) return false;
  const ending = since.held('ending', contact === 'lost' && !idle);
  return contact !== 'lost' || idle || (ending ?? 0) < times.killMs;
}

function lead(
  seen: Observation,
  view: View,
  since: Since,
  times: Timings,
  disarmed: number | undefined,
): Action[] {
  const kept = view.leader;
  const isUs = kept?.value.host === seen.self && kept.value.instance === seen.instance;
  if (kept !== undefined && isUs) {
    const guard = { key: haKeys.leader, revision: kept.revision };
    return [
      ...decideDisarmed(seen, view, guard, disarmed),
      ...decideFencing(
        seen,
        view,
        guard,
        since,
        times,
        disarmed !== undefined || view.disarmed !== undefined,
      ),
      ...decideGiving(view, guard, since),
    ];
  }
  const vacant =
    kept === undefined || kept.value.host === seen.self || silentForMajority(view, kept.value.host);
  // Before the cluster is declared nobody is a member, and there is nothing to lead.
  const isMember = view.members.some(({ id }) => id === seen.self);
  if (!vacant || !isMember || mayBeFenced(view, seen.self)) return [];
  const value = { v: 1, host: seen.self, instance: seen.instance };
  const guards = [{ key: haKeys.leader, revision: kept?.revision ?? 0 }];
  const text = `${nameOf(view, seen.self)} leads now.`;
  return [
    {
      kind: 'write',
      key: haKeys.leader,
      guards,
      writes: [{ key: haKeys.leader, value, onLease: true }],
      told: { severity: 'info', about: seen.self, text },
    },
  ];
}
