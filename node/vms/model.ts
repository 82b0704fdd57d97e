import type { VmState, VmStatus } from '../contract/vms.ts';
import type { DomainState, LifecycleName } from '../libvirt/constants.ts';
import type { VmRecord } from './spec-store.ts';

/** What libvirt says of a domain that exists; without one there is no sight. */
export type Sight = { state: DomainState; reason: string };

/** What this agent is about to do, or has asked for, and is not over. */
export type Doing =
  | { kind: 'nothing' }
  | { kind: 'starting' }
  | { kind: 'asked-to-end'; untilMs: number }
  /** let go on although its storage may still be away: whether it runs is seen a moment later */
  | { kind: 'trying-again' }
  | { kind: 'moving-out'; to: string }
  | { kind: 'moving-in'; from: string };

export const nothing: Doing = { kind: 'nothing' };

/** What the last word on a domain that is gone was. */
export type Ending = { state: 'off' | 'crashed'; reason: string };

const said = (state: VmState, reason: string): { state: VmState; reason: string } => ({ state, reason });

const noStorage = 'Its storage does not answer. It goes on by itself when the storage does.';

/** Why a domain stands still, by libvirt's word for it (constants.ts). */
const pausedBecause: Readonly<Record<string, string>> = {
  'by request': 'It was paused.',
  'disk error': noStorage,
  migrating: 'It was lost on its way to another host.',
  watchdog: 'Its watchdog fired.',
  crashed: 'Its guest has crashed.',
  'post-copy migration failed': 'It was lost on its way to another host.',
  'internal error': 'QEMU has met an internal error.',
};

/** The one place where what libvirt says and what the agent does become the state that the contract knows. */
export function stateOf(
  sight: Sight | undefined,
  doing: Doing,
  ending: Ending,
): { state: VmState; reason: string } {
  if (sight === undefined) {
    if (doing.kind === 'starting') return said('starting', '');
    if (doing.kind === 'moving-in') return said('migrating-in', `It comes from ${doing.from}.`);
    // Gone from libvirt, but the record goes only when the move is over.
    if (doing.kind === 'moving-out') return said('migrating-out', `It moves to ${doing.to}.`);
    return ending;
  }
  switch (sight.state) {
    case 'running':
    case 'blocked':
      if (doing.kind === 'moving-out') return said('migrating-out', `It moves to ${doing.to}.`);
      if (doing.kind === 'trying-again') return said('paused', noStorage);
      if (doing.kind === 'asked-to-end') return said('stopping', 'Its guest was asked to shut down.');
      return said('running', '');
    case 'paused':
      return pausedState(sight, doing);
    case 'shutting-down':
      if (doing.kind === 'moving-out') return said('migrating-out', `It moves to ${doing.to}.`);
      return said('stopping', 'Its guest shuts down.');
    case 'crashed':
      return said('crashed', 'Its guest has crashed.');
    case 'suspended':
      return said('paused', 'Its guest sleeps.');
    case 'shut-off':
      return ending;
    case 'no-state':
      return said('unknown', 'libvirt does not know its state.');
  }
}

function pausedState({ reason }: Sight, doing: Doing): { state: VmState; reason: string } {
  if (doing.kind === 'moving-in') return said('migrating-in', `It comes from ${doing.from}.`);
  if (doing.kind === 'moving-out') return said('migrating-out', `It moves to ${doing.to}.`);
  if (doing.kind === 'starting' || reason === 'starting up') return said('starting', '');
  if (reason === 'shutting down') return said('stopping', 'Its guest shuts down.');
  return said('paused', pausedBecause[reason] ?? `It stands still (${reason}).`);
}

/** Why it is gone, by the detail of libvirt's `stopped` event. */
export function endingOf(detail: string): Ending {
  switch (detail) {
    case 'shut down':
      return { state: 'off', reason: 'Its guest shut down.' };
    case 'stopped':
      return { state: 'off', reason: 'It was stopped.' };
    case 'migrated away':
      return { state: 'off', reason: 'It moved to another host.' };
    case 'crashed':
      return { state: 'crashed', reason: 'Its guest has crashed.' };
    case 'failed':
      return { state: 'crashed', reason: 'QEMU ended unexpectedly.' };
    default:
      return { state: 'off', reason: `It ended (${detail}).` };
  }
}

/** A domain that was there when this agent looked last, and is not now. */
export function endingWhileAway(last: VmRecord['last'], bootId: string): Ending {
  if (last.state !== 'alive') return { state: last.state, reason: last.reason };
  return last.bootId === bootId
    ? { state: 'off', reason: 'It ended while the host agent was not running.' }
    : { state: 'off', reason: 'Its host was restarted while it ran.' };
}

/** What a lifecycle event makes of what was known; `gone` with the ending. Undefined: it changes nothing. */
export function sightAfter(
  name: LifecycleName | 'other',
  detail: string,
): { sight: Sight } | { gone: Ending } | undefined {
  switch (name) {
    case 'started':
      // A domain that arrives is told as started while its memory is still on the way.
      if (detail === 'migrated here') return { sight: { state: 'paused', reason: 'migrating' } };
      return { sight: { state: 'running', reason: detail } };
    case 'resumed':
      return { sight: { state: 'running', reason: detail } };
    case 'suspended':
      return { sight: { state: 'paused', reason: pauseReasonOf(detail) } };
    case 'stopped':
      return { gone: endingOf(detail) };
    case 'shutting-down':
      return { sight: { state: 'shutting-down', reason: detail } };
    case 'pm-suspended':
      return { sight: { state: 'suspended', reason: detail } };
    case 'crashed':
      return { sight: { state: 'crashed', reason: detail } };
    case 'defined':
    case 'undefined':
    case 'other':
      return undefined;
  }
}

/** Events and states have words of their own for the same thing. */
function pauseReasonOf(detail: string): string {
  if (detail === 'paused') return 'by request';
  if (detail === 'migrated away') return 'migrating';
  return detail;
}

/** Its guest may be writing to its disks. */
export const isAlive = (sight: Sight | undefined, doing: Doing): boolean =>
  (sight !== undefined && sight.state !== 'shut-off') || doing.kind === 'starting';

export function statusOf(record: VmRecord, { state, reason }: { state: VmState; reason: string }): VmStatus {
  const { spec, generation, power, startedAt, accelerator } = record;
  const runs = state !== 'off' && state !== 'crashed';
  return {
    id: spec.id,
    name: spec.name,
    state,
    reason,
    generation,
    power,
    cpus: spec.cpus,
    memoryMiB: spec.memoryMiB,
    role: spec.role,
    ...(runs && startedAt !== undefined ? { startedAt } : {}),
    ...(runs && accelerator !== undefined ? { accelerator } : {}),
  };
}
