import { type HaAssignment, type HaVm, haKeys } from '../contract/ha.ts';
import type { VmId } from '../contract/ids.ts';
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
    const vm = view.vms.get(id);
    if (vm?.wanted === 'running') continue;
    const action = takeAway(view, id, kept, leader);
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
  const free = kept === undefined ? { guards: [], from: undefined } : freeToGive(view, vm, kept);
  if (free === undefined) return undefined;
  const key = haKeys.assignment(vm.id);
  const write = (value: HaAssignment, severity: Note['severity'], text: string): Action => ({
    kind: 'write',
    key,
    guards: [leader, { key, revision: kept?.revision ?? 0 }, ...free.guards],
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
  return write(value, 'info', `${vm.name} goes to ${nameOf(view, choice.host)}: ${why}.`);
}

/** On what it rests that nobody runs this VM, or can; undefined when it rests on nothing. */
function freeToGive(
  view: View,
  vm: HaVm,
  { value }: Kept<HaAssignment>,
): { guards: Guard[]; from: 'fence' | 'move' | 'given-back' } | undefined {
  const fenced = (host: HaAssignment['host']): Guard | undefined => {
    const fence = view.fences.get(host);
    return fence?.value.phase === 'fenced'
      ? { key: haKeys.fence(host), revision: fence.revision }
      : undefined;
  };
  const guard = fenced(value.host);
  if (value.movingTo !== undefined) {
    const other = fenced(value.movingTo);
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

/** A VM that is not wanted any more: its assignment goes once its host has ended it, or can run nothing. */
function takeAway(view: View, id: VmId, kept: Kept<HaAssignment>, leader: Guard): Action | undefined {
  const fence = view.fences.get(kept.value.host);
  const moving = kept.value.movingTo !== undefined;
  const fenced = fence?.value.phase === 'fenced' && !moving;
  if (kept.value.state === 'given' ? !fenced : moving) return undefined;
  const key = haKeys.assignment(id);
  const guards = [leader, { key, revision: kept.revision }];
  if (fenced && fence !== undefined)
    guards.push({ key: haKeys.fence(kept.value.host), revision: fence.revision });
  return { kind: 'write', key, guards, writes: [{ key, remove: true }] };
}
