import * as assert from 'uvu/assert';
import { observation, report, view } from '../../test/sim/cluster.ts';
import { hostId } from '../../test/sim/scenario.ts';
import { suite } from '../../test/support/suite.ts';
import { haDisarmedSchema, haKeys, longestDisarmMs } from '../contract/ha.ts';
import { decide } from './decide.ts';
import { disarmedMs, spared } from './disarmed.ts';
import { type Action, type Memory, newMemory, type Observation, type View } from './model.ts';
import { Since } from './since.ts';
import { timings } from './timings.ts';

const test = suite('HA disarmed for planned work');
const [h1, h2, h3] = [hostId(1), hostId(2), hostId(3)];
const leader = { value: { v: 1 as const, host: h1, instance: 'first' }, revision: 5 };
const disarmed = (leftMs: number, revision = 50) => ({
  value: { v: 1 as const, leftMs, by: 'Ada', reason: '' },
  revision,
});
/** host3 is gone, and nobody has heard it. */
const lost = (change: Partial<View> = {}): View =>
  view({
    leader,
    reports: new Map(
      [h1, h2].map((id, index) => [id, { value: report(id, { silent: [h3] }), revision: 20 + index }]),
    ),
    ...change,
  });

/** Ticks every half second, and gives what the last one wanted. */
function ticks(fromMs: number, untilMs: number, memory: Memory, at: (nowMs: number) => Observation) {
  let actions: readonly Action[] = [];
  for (let nowMs = fromMs; nowMs <= untilMs; nowMs += 500) {
    const decision = decide(memory, at(nowMs), timings);
    memory = decision.memory;
    actions = decision.actions;
  }
  return { memory, actions };
}
const at =
  (seen: View, change: Partial<Observation> = {}) =>
  (nowMs: number): Observation =>
    observation({ nowMs, contactMs: nowMs, view: seen, ...change });
const keysOf = (actions: readonly Action[]) =>
  actions.flatMap((action) => (action.kind === 'write' ? [action.key] : []));

test('a host that most have not heard is fenced, and not while HA is disarmed', () => {
  assert.ok(keysOf(ticks(0, 10_000, newMemory(0), at(lost())).actions).includes(haKeys.fence(h3)));
  const seen = lost({ disarmed: disarmed(600_000) });
  assert.not.ok(keysOf(ticks(0, 10_000, newMemory(0), at(seen)).actions).includes(haKeys.fence(h3)));
});

test('a fence rests on there being no word that HA is disarmed', () => {
  const { actions } = ticks(0, 10_000, newMemory(0), at(lost()));
  const fence = actions.find((action) => action.key === haKeys.fence(h3));
  const guards = fence?.kind === 'write' ? fence.guards : [];
  assert.ok(guards.some(({ key, revision }) => key === haKeys.disarmed && revision === 0));
});

test('the leader writes each minute what is left, and takes the record away when nothing is', () => {
  const seen = lost({ disarmed: disarmed(150_000) });
  const minute = ticks(0, 59_500, newMemory(0), at(seen));
  assert.not.ok(keysOf(minute.actions).includes(haKeys.disarmed));
  const later = ticks(60_000, 60_500, minute.memory, at(seen));
  const write = later.actions.find((action) => action.key === haKeys.disarmed);
  assert.equal(write?.kind === 'write' && write.writes, [
    { key: haKeys.disarmed, value: { v: 1, leftMs: 89_500, by: 'Ada', reason: '' } },
  ]);
  const end = ticks(61_000, 150_000, later.memory, at(seen));
  const gone = end.actions.find((action) => action.key === haKeys.disarmed);
  assert.equal(gone?.kind === 'write' && gone.writes, [{ key: haKeys.disarmed, remove: true }]);
  assert.not.ok(keysOf(end.actions).includes(haKeys.fence(h3)), 'fences wait until it is gone');
});

test('an agent that stood still counts on: that time has passed too', () => {
  const seen = lost({ disarmed: disarmed(150_000) });
  const before = ticks(0, 30_000, newMemory(0), at(seen));
  const after = ticks(100_000, 100_000, before.memory, at(seen));
  const write = after.actions.find((action) => action.key === haKeys.disarmed);
  assert.equal(write?.kind === 'write' && write.writes, [
    { key: haKeys.disarmed, value: { v: 1, leftMs: 50_000, by: 'Ada', reason: '' } },
  ]);
});

test('a host that is alone spares its VMs only when nobody counts on its watchdog, and it is not fenced', () => {
  const alone = (change: Partial<View>) =>
    spared('lost', observation({ view: view({ disarmed: disarmed(1_000), ...change }) }), 500);
  const watchdog = { value: { v: 1 as const, host: h1, instance: 'first', timeoutMs: 20_000 }, revision: 9 };
  const fence = { v: 1 as const, id: 'f', host: h1, phase: 'fencing' as const, why: '' };
  assert.is(alone({}), 'doubtful');
  assert.is(alone({ watchdogs: new Map([[h1, watchdog]]) }), 'lost');
  assert.is(alone({ fences: new Map([[h1, { value: fence, revision: 9 }]]) }), 'lost');
  assert.is(spared('lost', observation({ view: view({ disarmed: disarmed(1_000) }) }), undefined), 'lost');
});

test('the watchdog’s record goes while HA is disarmed, and its way back rests on that word', () => {
  const watchdog = { value: { v: 1 as const, host: h1, instance: 'first', timeoutMs: 20_000 }, revision: 9 };
  const key = haKeys.watchdog(h1);
  const change = { watchdogMs: 20_000 };
  const on = view({ disarmed: disarmed(60_000), watchdogs: new Map([[h1, watchdog]]) });
  const gone = ticks(0, 500, newMemory(0), at(on, change)).actions.find((action) => action.key === key);
  assert.equal(gone?.kind === 'write' && gone.writes, [{ key, remove: true }]);
  const over = view({ disarmed: disarmed(1_000) });
  const back = ticks(0, 2_000, newMemory(0), at(over, change)).actions.find((action) => action.key === key);
  assert.ok(
    back?.kind === 'write' &&
      back.guards.some((guard) => guard.key === haKeys.disarmed && guard.revision === 50),
  );
});

test('a record that cannot be read counts as one, for a day at most', () => {
  const unreadable = view({ unreadable: new Set([haKeys.disarmed]) });
  const since = new Map([['disarmed:unreadable', 0]]);
  assert.is(disarmedMs(unreadable, new Since(since, 1_000)), longestDisarmMs - 1_000);
  assert.is(disarmedMs(unreadable, new Since(since, longestDisarmMs)), undefined);
});

test('for longer than a day nobody disarms it', () => {
  const record = { v: 1, by: 'Ada', reason: '' };
  assert.ok(haDisarmedSchema.safeParse({ ...record, leftMs: longestDisarmMs }).success);
  assert.not.ok(haDisarmedSchema.safeParse({ ...record, leftMs: longestDisarmMs + 1 }).success);
  assert.not.ok(haDisarmedSchema.safeParse(record).success, 'nor without an end');
});

test('a host in maintenance without VMs is not lost when it is off; with a VM it is', () => {
  const rest = lost({ maintenance: new Set([h3]) });
  assert.not.ok(keysOf(ticks(0, 10_000, newMemory(0), at(rest)).actions).includes(haKeys.fence(h3)));
  const assignments = new Map(
    [...rest.assignments].map(([id, { value, revision }]) => [
      id,
      { value: { ...value, host: h3 }, revision },
    ]),
  );
  const busy = { ...rest, assignments };
  assert.ok(keysOf(ticks(0, 10_000, newMemory(0), at(busy)).actions).includes(haKeys.fence(h3)));
});

test.run();
