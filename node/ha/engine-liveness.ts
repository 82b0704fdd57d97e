import { enginePriority, type HaAssignment } from '../contract/ha.ts';
import type { VmId } from '../contract/ids.ts';
import { rewrite } from './assignments.ts';
import type { Contact } from './contact.ts';
import {
  type Action,
  type EngineMemory,
  type EngineSigns,
  type Kept,
  nameOf,
  type Observation,
  type View,
} from './model.ts';
import type { Since } from './since.ts';
import type { Timings } from './timings.ts';

/**
 * The engine's VM runs: does the engine in it? Decided by the host that runs it, and by nobody else. Ground rules:
 * - both ways must say that it does not: its address alone may be a broken network, its channel alone a busy libvirt;
 * - what was never ready since its VM started is booting, and has `engineUnreadyMs`; a way that never answered since
 *   then says nothing by its silence;
 * - the VM is ended and started again here, in the same epoch, like one that crashed; after some times in vain it is
 *   given back, for another host.
 */
export type EngineDecision = {
  actions: Action[];
  memory: EngineMemory | undefined;
  /** it is being given back: not to be started here */
  leaves?: VmId;
};

type Verdict = 'ready' | 'starting' | 'booting' | 'sick' | 'gone' | 'silent' | 'unknown';

export function decideEngine(
  seen: Observation,
  contact: Contact,
  before: EngineMemory | undefined,
  since: Since,
  times: Timings,
): EngineDecision {
  const { view, engine: signs, nowMs } = seen;
  const unchanged = { actions: [], memory: before };
  if (view === undefined) return unchanged;
  const kept = engineHere(seen, view);
  if (kept === undefined) return { actions: [], memory: undefined };
  if (before?.leaves === true && before.epoch === kept.value.epoch) {
    const isGone = seen.vms?.every((one) => one.vm !== kept.value.vm) === true;
    if (isGone && contact === 'sure')
      return { ...unchanged, actions: [giveBack(seen, kept)], leaves: kept.value.vm };
  }
  const local = seen.vms?.find(({ vm }) => vm === kept.value.vm);
  const runs = local?.state === 'running' && local.incoming !== true && local.epoch === kept.value.epoch;
  if (!runs || signs?.vm !== kept.value.vm || kept.value.movingTo !== undefined) return unchanged;

  const memory = remember(before, kept.value, signs, nowMs, times);
  const verdict = verdictOf(signs, memory);
  const actions = tell(seen, view, before, memory, signs, since, times);
  const why = whyHung(verdict, memory, signs, since, times, nowMs);
  // A moment of doubt about the others changes nothing about the engine, but nothing is ended that could not be started.
  if (why === undefined || contact !== 'sure') return { actions, memory };
  // safety: it is counted once for each start, and again only after its wait: an engine that boots is never shot.
  const isOnItsWay = memory.endedRun === signs.run;
  const wait = times.engineBackOffMs[Math.min(memory.restarts, times.engineBackOffMs.length - 1)] ?? 0;
  if (!isOnItsWay && nowMs - memory.restartedMs < wait) return { actions, memory };
  const leaves = memory.leaves || (!isOnItsWay && memory.restarts >= times.engineTries);
  const then = leaves
    ? `that was so ${memory.restarts} times before, so another host takes it`
    : `its VM is started again on ${nameOf(view, seen.self)}`;
  const { vm } = kept.value;
  const told = { severity: 'error' as const, about: vm, text: `The engine ${why}: ${then}.` };
  return {
    actions: [...actions, { kind: 'end-vm', key: `vm:${vm}`, vm, told }],
    memory: isOnItsWay
      ? memory
      : { ...memory, leaves, restarts: memory.restarts + 1, restartedMs: nowMs, endedRun: signs.run },
  };
}

/** The engine's VM, when it is this host's and is to run. */
function engineHere(seen: Observation, view: View): Kept<HaAssignment> | undefined {
  for (const [id, vm] of view.vms) {
    const kept = view.assignments.get(id);
    if (vm.priority !== enginePriority || vm.wanted !== 'running') continue;
    if (kept?.value.host === seen.self && kept.value.state === 'given') return kept;
  }
  return undefined;
}

function remember(
  before: EngineMemory | undefined,
  { vm, epoch }: HaAssignment,
  signs: EngineSigns,
  nowMs: number,
  times: Timings,
): EngineMemory {
  const isSame = before?.vm === vm && before.epoch === epoch;
  const none = { restarts: 0, restartedMs: Number.NEGATIVE_INFINITY, endedRun: undefined, leaves: false };
  const kept = isSame ? before : none;
  const ranWell = nowMs - kept.restartedMs >= times.ranWellMs;
  const isSameRun = isSame && before.run === signs.run;
  const isReady = signs.api === 'ready' || signs.channel === 'ready';
  const answers = ['ready', 'starting', 'sick'].includes(signs.channel);
  return {
    vm,
    epoch,
    run: signs.run,
    wasReady: isReady || (isSameRun && before.wasReady),
    channelAnswered: answers || (isSameRun && before.channelAnswered),
    isCut: isSameRun && before.isCut,
    unreadySinceMs: isSameRun ? before.unreadySinceMs : undefined,
    restarts: ranWell ? 0 : kept.restarts,
    restartedMs: kept.restartedMs,
    endedRun: kept.endedRun,
    leaves: kept.leaves,
  };
}

function verdictOf({ api, channel }: EngineSigns, { wasReady, channelAnswered }: EngineMemory): Verdict {
  if (api === 'ready' || channel === 'ready') return 'ready';
  if (api === 'starting' || channel === 'starting') return 'starting';
  if (api === 'sick' || channel === 'sick') return 'sick';
  if (api === 'unknown' || channel === 'unknown') return 'unknown';
  // safety: a channel that never answered since this start says nothing by not answering now.
  if (!channelAnswered) return wasReady ? 'unknown' : 'booting';
  return channel;
}

function whyHung(
  verdict: Verdict,
  memory: EngineMemory,
  { run }: EngineSigns,
  since: Since,
  times: Timings,
  nowMs: number,
): string | undefined {
  const silentMs = since.held(`engine-silent:${run}`, verdict === 'silent') ?? 0;
  const isDown = verdict === 'silent' || verdict === 'gone' || verdict === 'sick';
  const downMs = since.held(`engine-down:${run}`, isDown) ?? 0;
  const { wasReady } = memory;
  // Not forgotten when this agent stood still for a moment: it is long.
  const isUnready = verdict !== 'ready' && verdict !== 'unknown';
  memory.unreadySinceMs = isUnready ? (memory.unreadySinceMs ?? nowMs) : undefined;
  const unreadyMs = nowMs - (memory.unreadySinceMs ?? nowMs);
  if (wasReady && silentMs >= times.engineSilentMs)
    return 'stands still: it answers neither on its address nor through the channel of its VM';
  if (wasReady && downMs >= times.engineDownMs) {
    const seconds = `for ${Math.round(times.engineDownMs / 1_000)} s`;
    return verdict === 'sick'
      ? `has been without its database ${seconds}`
      : `is not there: nothing has run in its VM ${seconds} that answers`;
  }
  if (unreadyMs >= times.engineUnreadyMs)
    return `has not been ready for ${Math.round(times.engineUnreadyMs / 60_000)} minutes`;
  return undefined;
}

/** What people should know of it, each once. */
function tell(
  { self }: Observation,
  view: View,
  before: EngineMemory | undefined,
  memory: EngineMemory,
  { api, channel, run }: EngineSigns,
  since: Since,
  times: Timings,
): Action[] {
  const { vm: about } = memory;
  const cutMs = since.held(`engine-cut:${run}`, channel === 'ready' && api === 'silent') ?? 0;
  const note = (severity: 'info' | 'warning', text: string): Action[] => [
    { kind: 'tell', key: `engine:${about}`, told: { severity, about, text } },
  ];
  if (cutMs >= times.engineDownMs && !memory.isCut) {
    memory.isCut = true;
    const host = nameOf(view, self);
    return note(
      'warning',
      `The engine runs, but ${host} does not reach it on its address: that is the network, so it goes on as it is.`,
    );
  }
  if (memory.isCut && api === 'ready') {
    memory.isCut = false;
    return note('info', 'The engine is reached on its address again.');
  }
  const isBack = memory.wasReady && memory.restarts > 0 && memory.endedRun !== memory.run;
  return isBack && before?.wasReady !== true ? note('info', 'The engine answers again.') : [];
}

function giveBack({ self }: Observation, kept: Kept<HaAssignment>): Action {
  const failedOn = [...kept.value.failedOn.filter((host) => host !== self), self];
  return rewrite(kept, { state: 'released', failedOn, why: 'the engine in it did not stay alive here' });
}
