import { type HaAssignment, haKeys } from '../contract/ha.ts';
import type { VmId } from '../contract/ids.ts';
import { rewrite } from './assignments.ts';
import type { Contact } from './contact.ts';
import {
  type Action,
  type Kept,
  type LocalEnd,
  type LocalVm,
  type Memory,
  mayBeFenced,
  type Observation,
  type View,
} from './model.ts';
import { settleMove, whyMoveIsDead } from './moves.ts';
import type { Since } from './since.ts';
import type { Timings } from './timings.ts';

/**
 * What a host does with its own VMs. Ground rules:
 * - it starts a VM only when it is sure, the assignment is its own, and it is not fenced;
 * - what runs without an assignment to this host, in this epoch, is ended, at once and always;
 * - while it is being moved away, nothing is started here;
 * - without contact for `selfStopMs` everything is ended.
 */
export type OwnVms = { actions: Action[]; tries: Memory['tries'] };

export function decideOwnVms(
  seen: Observation,
  contact: Contact,
  before: Memory['tries'],
  since: Since,
  times: Timings,
): OwnVms {
  const actions: Action[] = [];
  const tries = new Map(before);
  for (const local of seen.vms ?? []) {
    const { vm } = local;
    const why = whyToEnd(seen, contact, local, since, times);
    if (why === undefined) continue;
    const text = `${nameOfVm(seen.view, vm)} is ended here: ${why}.`;
    actions.push({ kind: 'end-vm', key: `vm:${vm}`, vm, told: { severity: 'warning', about: vm, text } });
  }
  const { view } = seen;
  if (contact !== 'sure' || view === undefined || seen.vms === undefined || mayBeFenced(view, seen.self))
    return { actions, tries };
  // safety: what the store says of this watchdog must be true before the first VM starts: others may count on it.
  const watchdog = view.watchdogs.get(seen.self)?.value;
  const isTold = watchdog === undefined || watchdog.instance === seen.instance;
  // While HA is disarmed it is not told, and nobody counts on it.
  const mayBeUntold =
    watchdog === undefined && (view.disarmed !== undefined || view.unreadable.has(haKeys.disarmed));
  if (!mayBeUntold && (!isTold || watchdog?.timeoutMs !== seen.watchdogMs)) return { actions, tries };
  for (const [vm, kept] of inOrder(view)) {
    const { value } = kept;
    if (value.host !== seen.self || value.state !== 'given') continue;
    if (value.movingTo !== undefined) {
      // safety: it may run at the other end.
      const settled = settleMove(seen, view, kept, value.movingTo, since, times);
      if (settled !== undefined) actions.push(settled);
      continue;
    }
    const local = seen.vms.find((one) => one.vm === vm);
    if (local !== undefined) {
      if (local.state === 'running' && value.failedOn.length > 0 && local.epoch === value.epoch)
        actions.push(rewrite(kept, { failedOn: [] }));
      continue;
    }
    const step = startAgain(seen, kept, tries.get(vm), times);
    if (step.action !== undefined) actions.push(step.action);
    if (step.tried !== undefined) tries.set(vm, step.tried);
  }
  return { actions, tries };
}

const nameOfVm = (view: View | undefined, vm: VmId): string => view?.vms.get(vm)?.name ?? vm;

const inOrder = (view: View): [VmId, Kept<HaAssignment>][] =>
  [...view.assignments].sort(
    ([a], [b]) => (view.vms.get(b)?.priority ?? 0) - (view.vms.get(a)?.priority ?? 0) || (a < b ? -1 : 1),
  );

/** Undefined: it may run here. */
function whyToEnd(
  seen: Observation,
  contact: Contact,
  local: LocalVm,
  since: Since,
  times: Timings,
): string | undefined {
  const { vm } = local;
  if (contact === 'lost') return 'this host has lost the others';
  const { view } = seen;
  if (view === undefined || contact !== 'sure') return undefined;
  if (view.fences.has(seen.self)) return 'this host was fenced';
  const kept = view.assignments.get(vm);
  if (view.unreadable.has(haKeys.assignment(vm))) return undefined;
  if (kept === undefined) return 'nothing says that it runs here';
  const { host, movingTo, epoch, state } = kept.value;
  // A move brings it. What is left here from an earlier epoch does not become ours by that.
  if (movingTo === seen.self && local.epoch === epoch) return undefined;
  if (host !== seen.self) return 'it belongs to another host now';
  if (local.epoch !== epoch) return 'it is left over from an earlier time';
  if (state !== 'given') return 'it was given back';
  const isWanted = view.vms.get(vm)?.wanted === 'running' || view.unreadable.has(haKeys.vm(vm));
  if (!isWanted) return 'it is wanted stopped';
  return whyMoveIsDead(view, local, kept, seen.self, since, times);
}

type Tried = { epoch: number; count: number; lastMs: number };
type Step = { action?: Action; tried?: Tried };

/** It is ours and does not run: started, again after a wait, or given back. */
function startAgain(
  seen: Observation,
  kept: Kept<HaAssignment>,
  before: Tried | undefined,
  times: Timings,
): Step {
  const { vm, epoch } = kept.value;
  const spec = seen.view?.vms.get(vm);
  if (seen.view?.unreadable.has(haKeys.vm(vm))) return {};
  if (spec === undefined || spec.wanted !== 'running')
    return { action: rewrite(kept, { state: 'released', why: 'it is not wanted here any more' }) };
  const end: LocalEnd | undefined = seen.ends.find((one) => one.vm === vm && one.epoch === epoch);
  if (end?.how === 'guest') {
    const text = `The guest of ${spec.name} shut down. It stays off until it is started.`;
    return {
      action: rewrite(
        kept,
        { state: 'ended', why: 'its guest shut down' },
        { told: { severity: 'info', text } },
      ),
    };
  }
  // A move took it away and is forgotten: it may run there, so only a new epoch may start it.
  if (end?.how === 'moved')
    return { action: rewrite(kept, { state: 'released', why: 'it was moved away to a host that was lost' }) };
  if (seen.maintenance)
    return { action: rewrite(kept, { state: 'released', why: 'its host is in maintenance' }) };
  const tried = triesOf(before, epoch, end, times);
  // What ended before the last try was begun says nothing of it.
  const failed = end !== undefined && end.atMs > tried.lastMs;
  if (tried.count >= times.inPlaceTries && failed) {
    const failedOn = [...kept.value.failedOn.filter((host) => host !== seen.self), seen.self];
    const many = `in ${tried.count} tries`;
    const text = `${spec.name} did not stay up here ${many}; another host takes it.`;
    const change = { state: 'released' as const, failedOn, why: `it did not stay up here ${many}` };
    return { action: rewrite(kept, change, { told: { severity: 'error', text } }) };
  }
  const wait = times.backOffMs[Math.min(tried.count, times.backOffMs.length - 1)] ?? 0;
  if (seen.nowMs - tried.lastMs < wait) return {};
  return {
    action: { kind: 'start-vm', key: `vm:${vm}`, vm, epoch, revision: kept.revision },
    // A start that is on its way is wanted again at each tick; it is counted once.
    tried: failed || tried.count === 0 ? { epoch, count: tried.count + 1, lastMs: seen.nowMs } : tried,
  };
}

function triesOf(before: Tried | undefined, epoch: number, end: LocalEnd | undefined, times: Timings): Tried {
  const none = { epoch, count: 0, lastMs: Number.NEGATIVE_INFINITY };
  if (before?.epoch !== epoch) return none;
  const ranWell = end !== undefined && end.atMs - before.lastMs >= times.ranWellMs;
  return ranWell ? none : before;
}
