import * as assert from 'uvu/assert';
import { assignment, observation, report, view, vm } from '../../test/sim/cluster.ts';
import { hostId, vmId } from '../../test/sim/scenario.ts';
import { suite } from '../../test/support/suite.ts';
import type { HaAssignment, HaFence, HaReport } from '../contract/ha.ts';
import { haKeys } from '../contract/ha.ts';
import { decide } from './decide.ts';
import { decideGiving } from './giving.ts';
import { type LocalEnd, type LocalVm, newMemory } from './model.ts';
import { Since } from './since.ts';
import { timings } from './timings.ts';

const test = suite('a live migration, as HA sees it');
const [source, target] = [hostId(1), hostId(2)];
const id = vmId(1);
const key = haKeys.assignment(id);
const moving = assignment({ movingTo: target });
const guest: LocalVm = { vm: id, epoch: 1, state: 'running' };
const there = { vm: id, epoch: 1, state: 'running' as const };
const fenced = (host: typeof source, phase: HaFence['phase'] = 'fenced') =>
  [host, { value: { v: 1 as const, id: `f-${host}`, host, phase, why: 'silent' }, revision: 7 }] as const;

type Case = {
  vms?: LocalVm[];
  ends?: LocalEnd[];
  atTarget?: Partial<HaReport> | undefined;
  fences?: ReturnType<typeof fenced>[];
  self?: typeof source;
  of?: HaAssignment;
};
/** What the host does about it after so many seconds in which nothing changed. */
function after(
  seconds: number,
  { vms = [], ends = [], atTarget = {}, fences = [], self = source, of = moving }: Case,
) {
  const reports = new Map(view().reports);
  if (atTarget === undefined) reports.delete(target);
  else reports.set(target, { value: report(target, atTarget), revision: 21 });
  const seen = view({
    assignments: new Map([[id, { value: of, revision: 10 }]]),
    reports,
    fences: new Map(fences),
  });
  let memory = newMemory(0);
  let actions: ReturnType<typeof decide>['actions'] = [];
  for (let nowMs = 1_000; nowMs <= 1_000 + seconds * 1_000; nowMs += 500) {
    const what = observation({ self, nowMs, contactMs: nowMs, view: seen, vms, ends });
    ({ memory, actions } = decide(memory, what, timings));
  }
  const write = actions.find((action) => action.kind === 'write' && action.writes[0]?.key === key);
  const [first] = write?.kind === 'write' ? write.writes : [];
  return {
    starts: actions.some(({ kind }) => kind === 'start-vm'),
    ends: actions.some(({ kind }) => kind === 'end-vm'),
    value: first !== undefined && 'value' in first ? (first.value as HaAssignment) : undefined,
    guards: write?.kind === 'write' ? write.guards : [],
  };
}

test('the source never starts it while it may run at the target', () => {
  for (const atTarget of [undefined, {}, { vms: [there] }, { vmsKnown: false }])
    assert.not.ok(after(5, { ...(atTarget === undefined ? {} : { atTarget }) }).starts);
});

test('not here, and the target has it: it is the target’s, in the same epoch', () => {
  const { value } = after(0, { atTarget: { vms: [there] } });
  assert.equal([value?.host, value?.epoch, value?.movingTo], [target, 1, undefined]);
});

test('neither here nor at the target for ten seconds: given back, if the report still says so', () => {
  assert.is(after(9, {}).value, undefined);
  const { value, guards } = after(10, {});
  assert.equal([value?.state, value?.host, value?.movingTo], ['released', source, undefined]);
  assert.ok(guards.some((guard) => guard.key === haKeys.report(target) && guard.revision === 21));
});

test('a target whose libvirt does not answer says nothing about what it has', () => {
  assert.is(after(90, { atTarget: { vmsKnown: false } }).value, undefined);
});

test('a guest that shut down on its way is not started elsewhere', () => {
  const ends: LocalEnd[] = [{ vm: id, epoch: 1, how: 'guest', atMs: 0 }];
  assert.is(after(10, { ends }).value?.state, 'ended');
});

test('here, and nothing of it came to the target for a minute: the move is forgotten', () => {
  assert.is(after(59, { vms: [guest] }).value, undefined);
  const { value } = after(60, { vms: [guest] });
  assert.equal([value?.state, value?.host, value && 'movingTo' in value], ['given', source, false]);
  assert.is(
    after(90, { vms: [guest], atTarget: { vms: [{ ...there, state: 'starting' }] } }).value,
    undefined,
  );
});

test('the target is lost: it stays here, or is given back; the write names the fence', () => {
  const stays = after(0, { vms: [guest], fences: [fenced(target)] });
  assert.equal([stays.value?.state, stays.value && 'movingTo' in stays.value], ['given', false]);
  assert.ok(stays.guards.some((guard) => guard.key === haKeys.fence(target) && guard.revision === 7));
  assert.is(after(0, { fences: [fenced(target)] }).value?.state, 'released');
  assert.is(after(0, { fences: [fenced(target, 'fencing')] }).value, undefined);
});

test('it stands still here because it was handed over, and the target is lost: it is ended, then given back', () => {
  const paused: LocalVm = { ...guest, state: 'paused' };
  const soon = after(9, { vms: [paused], fences: [fenced(target)] });
  assert.equal([soon.ends, soon.value], [false, undefined]);
  assert.ok(after(10, { vms: [paused], fences: [fenced(target)] }).ends);
});

test('the target does not end what a move brings, but what it has of another epoch', () => {
  const arrives: LocalVm = { ...guest, state: 'starting', incoming: true };
  assert.not.ok(after(30, { self: target, vms: [arrives] }).ends);
  assert.ok(after(0, { self: target, vms: [{ ...arrives, epoch: 0 }] }).ends);
  assert.ok(after(0, { self: target, vms: [arrives], of: assignment() }).ends);
});

test('what is the target’s own and still waits for memory is ended, to be started anew', () => {
  const orphan: LocalVm = { ...guest, state: 'starting', incoming: true };
  const own = assignment({ host: target });
  assert.not.ok(after(9, { self: target, vms: [orphan], of: own }).ends);
  assert.ok(after(10, { self: target, vms: [orphan], of: own }).ends);
});

const given = (fences: ReturnType<typeof fenced>[], wanted: 'running' | 'stopped' = 'running') => {
  const seen = view({
    assignments: new Map([[id, { value: moving, revision: 10 }]]),
    vms: new Map([[id, vm({ wanted })]]),
    fences: new Map(fences),
  });
  const [action] = decideGiving(seen, { key: haKeys.leader, revision: 1 }, new Since(new Map(), 0));
  const [write] = action?.kind === 'write' ? action.writes : [];
  return {
    write,
    value: write !== undefined && 'value' in write ? (write.value as HaAssignment) : undefined,
  };
};

test('the leader: with the source lost it is the target’s; with both lost a third one’s, in a new epoch', () => {
  assert.is(given([]).write, undefined);
  assert.is(given([fenced(target)]).write, undefined);
  assert.equal([given([fenced(source)]).value?.host, given([fenced(source)]).value?.epoch], [target, 1]);
  const both = given([fenced(source), fenced(target)]).value;
  assert.equal([both?.host, both?.epoch, both?.movingTo], [hostId(3), 2, undefined]);
});

test('the leader: one that is not wanted any more is the target’s to end, or nobody’s', () => {
  assert.is(given([fenced(source)], 'stopped').value?.host, target);
  const { write } = given([fenced(source), fenced(target)], 'stopped');
  assert.ok(write !== undefined && 'remove' in write);
});

test.run();
