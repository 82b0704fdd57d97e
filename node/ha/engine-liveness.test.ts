import * as assert from 'uvu/assert';
import { assignment, observation, view, vm } from '../../test/sim/cluster.ts';
import { hostId, vmId } from '../../test/sim/scenario.ts';
import { suite } from '../../test/support/suite.ts';
import { enginePriority } from '../contract/ha.ts';
import { decideEngine } from './engine-liveness.ts';
import type { Action, EngineMemory, EngineSigns, Observation } from './model.ts';
import { Since } from './since.ts';
import { timings } from './timings.ts';

const test = suite('whether the engine lives');
const id = vmId(1);
const running = { vm: id, epoch: 1, state: 'running' as const };
const engineView = () => view({ vms: new Map([[id, vm({ name: 'engine', priority: enginePriority })]]) });

/** Ticks every half second for so long with these signs, and gives what was wanted on the way. */
function run() {
  let nowMs = 100_000;
  let memory: EngineMemory | undefined;
  let since: ReadonlyMap<string, number> = new Map();
  return (
    forMs: number,
    signs: Partial<EngineSigns>,
    change: Partial<Observation> = {},
    contact: 'sure' | 'doubtful' = 'sure',
  ): Action[] => {
    const wanted: Action[] = [];
    for (const endMs = nowMs + forMs; nowMs < endMs; nowMs += 500) {
      const engine: EngineSigns = { vm: id, run: 'first', api: 'ready', channel: 'ready', ...signs };
      const seen = observation({ nowMs, view: engineView(), vms: [running], engine, ...change });
      const held = new Since(since, nowMs);
      const decision = decideEngine(seen, contact, memory, held, timings);
      memory = decision.memory;
      since = held.next;
      wanted.push(...decision.actions);
    }
    return wanted;
  };
}
const ends = (actions: readonly Action[]) => actions.filter(({ kind }) => kind === 'end-vm').length;
const silent = { api: 'silent', channel: 'silent' } as const;

test('one that is silent by both ways is ended, to be started again; one that is silent by one is not', () => {
  const live = run();
  assert.is(ends(live(5_000, {})), 0);
  assert.is(ends(live(600_000, { api: 'silent' })), 0);
  assert.is(ends(live(600_000, { channel: 'silent' })), 0);
  assert.is(ends(live(timings.engineSilentMs, silent)), 0);
  assert.ok(ends(live(1_000, silent)) > 0);
});

test('what could not be asked is no word against it', () => {
  for (const signs of [
    { api: 'silent', channel: 'unknown' },
    { api: 'unknown', channel: 'silent' },
  ] as const) {
    const live = run();
    live(5_000, {});
    assert.is(ends(live(1_000_000, signs)), 0);
  }
});

test('a channel that never answered since the VM started says nothing: only the network may be away', () => {
  const live = run();
  live(5_000, { channel: 'gone' });
  assert.is(ends(live(1_000_000, { api: 'silent', channel: 'gone' })), 0);
});

test('a process or a database that is away is given the time that systemd in its VM needs', () => {
  for (const signs of [
    { api: 'silent', channel: 'gone' },
    { api: 'sick', channel: 'sick' },
  ] as const) {
    const live = run();
    live(5_000, {});
    assert.is(ends(live(timings.engineDownMs, signs)), 0);
    assert.ok(ends(live(1_000, signs)) > 0);
  }
});

test('one that boots has ten minutes, whatever it does not answer', () => {
  const live = run();
  assert.is(ends(live(timings.engineUnreadyMs, { api: 'silent', channel: 'gone' })), 0);
  assert.ok(ends(live(1_000, { api: 'silent', channel: 'gone' })) > 0);
});

test('a new start of its VM begins anew, and the next time waits longer', () => {
  const live = run();
  live(5_000, {});
  assert.ok(ends(live(timings.engineSilentMs + 1_000, silent)) > 0);
  assert.is(ends(live(30_000, { run: 'second', api: 'silent', channel: 'gone' })), 0);
  const back = live(1_000, { run: 'second' });
  assert.ok(back.some(({ told }) => told?.text === 'The engine answers again.'));
  assert.is(ends(live(20_000, { run: 'second', ...silent })), 0);
  assert.ok(ends(live(60_000, { run: 'second', ...silent })) > 0);
});

test('after some starts in vain it is given back, once its VM has ended', () => {
  const live = run();
  for (let start = 0; start <= timings.engineTries; start += 1) {
    live(5_000, { run: `run ${start}` });
    assert.ok(ends(live(200_000, { run: `run ${start}`, ...silent })) > 0);
  }
  const [action] = live(500, {}, { vms: [], engine: undefined });
  assert.is(action?.kind, 'write');
  const write = action?.kind === 'write' ? action.writes[0] : undefined;
  const value = write !== undefined && 'value' in write ? write.value : undefined;
  const why = 'the engine in it did not stay alive here';
  assert.equal(value, assignment({ state: 'released', failedOn: [hostId(1)], why }));
});

test('nothing is ended in doubt, while it moves, while it stands paused, or where it belongs to another host', () => {
  const kept = (change: object) => new Map([[id, { value: assignment(change), revision: 10 }]]);
  const elsewhere = { ...engineView(), assignments: kept({ host: hostId(2) }) };
  const moving = { ...engineView(), assignments: kept({ movingTo: hostId(2) }) };
  for (const change of [
    { view: elsewhere },
    { view: moving },
    { vms: [{ ...running, state: 'paused' as const }] },
    { vms: undefined },
  ]) {
    const live = run();
    live(5_000, {});
    assert.is(ends(live(60_000, silent, change)), 0);
  }
  const live = run();
  live(5_000, {});
  assert.is(ends(live(60_000, silent, {}, 'doubtful')), 0);
  assert.ok(ends(live(500, silent)) > 0, 'the time in doubt counts');
});

test('people are told once that only the network to it is away, and once that it is back', () => {
  const live = run();
  live(5_000, {});
  const told = live(300_000, { api: 'silent' }).flatMap((action) => action.told?.text ?? []);
  assert.is(told.length, 1);
  assert.match(told[0] ?? '', /does not reach it on its address/);
  const back = live(5_000, {}).flatMap((action) => action.told?.text ?? []);
  assert.equal(back, ['The engine is reached on its address again.']);
});

test.run();
