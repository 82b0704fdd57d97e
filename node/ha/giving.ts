import { type HaAssignment, type HaVm, haKeys } from '../contract/ha.ts';
import type { HostId } from '../contract/ids.ts';
import { type Action, type Guard, type Kept, type Note, nameOf, type View } from './model.ts';
import { place, type Room, roomOf } from './place.ts';
import type { Since } from './since.ts';

/**
 * The leader gives VMs to hosts. Ground rules: an assignment is taken from a host only when the host gave it back, or is
 * `fenced`; each write names the fence or the assignment that it relies on, so that it fails when that has changed.
 */

export function decideGiving(view: View, leader: Guard, since: Since): Action[] {
  const actions: Action[] = [];
  const room = roomOf(view);
  for (const vm of byPriority(view)) {
    const action = giveOne(view, vm, room, leader, since);
    if (action !== undefined) actions.push(action);
  }
  for (const [id, kept] of view.assignments) {
    if (view.vms.get(id)?.wanted === 'running' || view.unreadable.has(haKeys.vm(id))) continue;
    const action = takeAway(view, kept, leader);
    if (action !== undefined) actions.push(action);
  }
  return actions;
}

const byPriority = (view: View): HaVm[] =>
  [...view.vms.values()]
    .filter(({ wanted }) => wanted === 'running')
    .sort((a, b) => b.priority - a.priority || (a.id < b.id ? -1 : 1));

function giveOne(view: View, vm: HaVm, room: Room, leader: Guard, since: Since): Action | undefined {
  const kept = view.assignments.get(vm.id);
  if (view.unreadable.has(haKeys.assignment(vm.id))) return undefined;
  const free = kept === undefined ? { guards: [], from: undefined } : freeToGive(view, vm, kept);
  if (free === undefined) return undefined;
  const key = haKeys.assignment(vm.id);
  const write = (
    value: HaAssignment,
    severity: Note['severity'],
    text: string,
    guards: readonly Guard[] = [],
  ): Action => ({
    kind: 'write',
    key,
    guards: [leader, { key, revision: kept?.revision ?? 0 }, ...free.guards, ...guards],
    writes: [{ key, value }],
    told: { severity, about: vm.id, text },
  });
  if (free.from === 'move' && kept?.value.movingTo !== undefined) {
    const { movingTo: host, ...rest } = kept.value;
    const text = `${vm.name} was on its way to ${nameOf(view, host)}, which has it now.`;
    // The same epoch: it may run there already.
    return write({ ...rest, host, why: 'its move ended with the loss of its host' }, 'warning', text);
  }
  const choice = place(vm, kept?.value, room);
  if (choice.host === undefined) {
    if (since.held(`no-room:${vm.id}`, true) !== 0) return undefined;
    const text = `${vm.name} waits: ${choice.why}.`;
    return { kind: 'tell', key: `no-room:${vm.id}`, told: { severity: 'error', about: vm.id, text } };
  }
  const why =
    kept === undefined
      ? 'it is to run'
      : `${nameOf(view, kept.value.host)} ${free.from === 'fence' ? 'is lost' : 'gave it back'}`;
  const value: HaAssignment = {
    v: 1,
    vm: vm.id,
    host: choice.host,
    epoch: (kept?.value.epoch ?? 0) + 1,
    state: 'given',
    generation: vm.generation,
    failedOn: kept?.value.failedOn ?? [],
    why,
  };
  // A host that is being fenced gets nothing: what a proof must cover is counted from there.
  const notFenced = { key: haKeys.fence(choice.host), revision: 0 };
  return write(value, 'info', `${vm.name} goes to ${nameOf(view, choice.host)}: ${why}.`, [notFenced]);
}

/** A host that can write nothing any more: by this fence. */
function fenceOf(view: View, host: HostId): Guard | undefined {
  const fence = view.fences.get(host);
  return fence?.value.phase === 'fenced' ? { key: haKeys.fence(host), revision: fence.revision } : undefined;
}

/** On what it rests that nobody runs this VM, or can; undefined when it rests on nothing. */
function freeToGive(
  view: View,
  vm: HaVm,
  { value }: Kept<HaAssignment>,
): { guards: Guard[]; from: 'fence' | 'move' | 'given-back' } | undefined {
  const guard = fenceOf(view, value.host);
  if (value.movingTo !== undefined) {
    const other = fenceOf(view, value.movingTo);
    if (guard === undefined) return undefined;
    // safety: the other end of a move may run it already, so only that host, or none that can write, may have it.
    return other === undefined
      ? { guards: [guard], from: 'move' }
      : { guards: [guard, other], from: 'fence' };
  }
  if (value.state === 'released') return { guards: [], from: 'given-back' };
  if (value.state === 'ended')
    return vm.generation > value.generation ? { guards: [], from: 'given-back' } : undefined;
  return guard === undefined ? undefined : { guards: [guard], from: 'fence' };
}

/**
 * A VM that is not wanted any more: its assignment goes once its host has ended it, or can run nothing. One that was on
 * its way from a lost host is the other host's to end.
 */
function takeAway(view: View, kept: Kept<HaAssignment>, leader: Guard): Action | undefined {
  const { movingTo, ...value } = kept.value;
  const key = haKeys.assignment(value.vm);
  const guards = [leader, { key, revision: kept.revision }];
  const remove = (more: readonly Guard[]): Action => ({
    kind: 'write',
    key,
    guards: [...guards, ...more],
    writes: [{ key, remove: true }],
  });
  const lost = fenceOf(view, value.host);
  if (movingTo === undefined) {
    if (value.state !== 'given') return remove([]);
    return lost === undefined ? undefined : remove([lost]);
  }
  if (lost === undefined) return undefined;
  const other = fenceOf(view, movingTo);
  if (other !== undefined) return remove([lost, other]);
  const writes = [{ key, value: { ...value, host: movingTo } }];
  return { kind: 'write', key, guards: [...guards, lost], writes };
}
