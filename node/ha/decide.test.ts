import * as assert from 'uvu/assert';
import { hostId } from '../../test/sim/scenario.ts';
import { suite } from '../../test/support/suite.ts';
import { type HaReport, haKeys } from '../contract/ha.ts';
import { decide } from './decide.ts';
import { type Action, type Memory, newMemory, type Observation } from './model.ts';
import { timings } from './timings.ts';
import { type HaRecord, makeView } from './view.ts';

const test = suite('one tick of an agent');
const [h1, h2, h3] = [hostId(1), hostId(2), hostId(3)];
const members = [h1, h2, h3].map((id, index) => ({ id, name: `host${index + 1}`, memoryMiB: 8192 }));
const volumes = [{ name: 'data', replicaSets: [[h1, h2, h3]] }];
const kept = (record: HaRecord, revision = 5) => ({ value: record, revision });
const leader: [string, ReturnType<typeof kept>] = [
  haKeys.leader,
  kept({ kind: 'leader', value: { v: 1, host: h1, instance: 'x' } }),
];
const seenBy = (change: Partial<Observation>): Observation => ({
  nowMs: 0,
  self: h1,
  instance: 'x',
  nonce: 'n',
  view: undefined,
  contactMs: 0,
  heard: new Map(),
  vms: [],
  ends: [],
  barred: new Map(),
  freeMemoryMiB: 8192,
  maintenance: false,
  watchdogMs: undefined,
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
const silentIn = (actions: readonly Action[]): unknown =>
  actions.flatMap((action) =>
    action.kind === 'write' && action.key === haKeys.report(h1)
      ? action.writes.flatMap((write) => ('value' in write ? [(write.value as HaReport).silent] : []))
      : [],
  )[0];

test('a host that has just become a member is not called silent before it could have been heard', () => {
  const few = makeView({ members: members.slice(0, 1), volumes }, [leader]);
  const all = makeView({ members, volumes }, [leader]);
  const before = ticks(0, 60_000, newMemory(0), (nowMs) => seenBy({ nowMs, contactMs: nowMs, view: few }));
  const at = (nowMs: number) => seenBy({ nowMs, contactMs: nowMs, view: all });
  const soon = ticks(60_500, 60_500 + timings.silentMs - 500, before.memory, at);
  assert.equal(silentIn(soon.actions), []);
  const later = ticks(63_500, 64_500, soon.memory, at);
  assert.equal(silentIn(later.actions), [h2, h3]);
});

test.run();
