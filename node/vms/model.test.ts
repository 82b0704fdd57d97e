import * as assert from 'uvu/assert';
import { sampleVm } from '../../test/fakes/vms.ts';
import { suite } from '../../test/support/suite.ts';
import { lifecycleEvents } from '../libvirt/constants.ts';
import { ParamReader, param } from '../libvirt/typed-params.ts';
import { type Doing, endingOf, endingWhileAway, nothing, type Sight, sightAfter, stateOf } from './model.ts';
import { sightOf, statisticsOf } from './observe.ts';

const test = suite('states of VMs');
const off = { state: 'off' as const, reason: 'It was stopped.' };
const out: Doing = { kind: 'moving-out', to: 'host2' };
const incoming: Doing = { kind: 'moving-in', from: 'host1' };
const starting: Doing = { kind: 'starting' };
const asked: Doing = { kind: 'asked-to-end', untilMs: 1 };
const see = (state: Sight['state'], reason = 'unknown'): Sight => ({ state, reason });

test('what libvirt says and what is being done become one state', () => {
  const table: [Sight | undefined, Doing, string][] = [
    [undefined, nothing, 'off'],
    [undefined, starting, 'starting'],
    [undefined, incoming, 'migrating-in'],
    [undefined, out, 'migrating-out'],
    [see('running'), nothing, 'running'],
    [see('blocked'), nothing, 'running'],
    [see('running'), starting, 'running'],
    [see('running'), asked, 'stopping'],
    [see('running'), out, 'migrating-out'],
    [see('running'), incoming, 'running'],
    [see('paused', 'migrating'), out, 'migrating-out'],
    [see('paused', 'migrating'), incoming, 'migrating-in'],
    [see('paused', 'starting up'), nothing, 'starting'],
    [see('paused', 'disk error'), nothing, 'paused'],
    [see('paused', 'shutting down'), nothing, 'stopping'],
    [see('shutting-down'), nothing, 'stopping'],
    [see('shutting-down'), out, 'migrating-out'],
    [see('crashed'), nothing, 'crashed'],
    [see('suspended'), nothing, 'paused'],
    [see('shut-off'), nothing, 'off'],
    [see('no-state'), nothing, 'unknown'],
  ];
  for (const [sight, doing, expected] of table)
    assert.is(stateOf(sight, doing, off).state, expected, `${sight?.state} ${sight?.reason} ${doing.kind}`);
});

test('whatever stands still says why in a sentence', () => {
  for (const reason of ['by request', 'disk error', 'migrating', 'watchdog', 'something new'])
    assert.match(stateOf(see('paused', reason), nothing, off).reason, /^[A-Z].*\.$/);
});

test('every lifecycle event of libvirt has a meaning', () => {
  for (const { name, details } of lifecycleEvents)
    for (const detail of details) {
      const after = sightAfter(name, detail);
      assert.is(after === undefined, name === 'defined' || name === 'undefined', `${name} ${detail}`);
      assert.is(after !== undefined && 'gone' in after, name === 'stopped', `${name} ${detail}`);
    }
  assert.equal(sightAfter('suspended', 'migrated away'), { sight: see('paused', 'migrating') });
  assert.equal(sightAfter('started', 'migrated here'), { sight: see('paused', 'migrating') });
});

test('an end is a crash or it is none', () => {
  assert.is(endingOf('failed').state, 'crashed');
  assert.is(endingOf('crashed').state, 'crashed');
  assert.is(endingOf('shut down').state, 'off');
  assert.match(endingOf('something new').reason, 'something new');
  const alive = { state: 'alive' as const, bootId: 'a' };
  assert.match(endingWhileAway(alive, 'a').reason, 'agent was not running');
  assert.match(endingWhileAway(alive, 'b').reason, 'host was restarted');
  assert.equal(endingWhileAway(off, 'b'), off);
});

const at = new Date('2026-01-02T03:04:05Z');
const { id } = sampleVm().spec;

test('statistics are added up over devices and vCPUs', () => {
  const values = new ParamReader([
    param.int('state.state', 1),
    param.int('state.reason', 1),
    param.uint('vcpu.maximum', 2),
    param.ullong('vcpu.0.time', 5n),
    param.ullong('vcpu.1.time', 7n),
    param.ullong('balloon.current', 524_288n),
    param.ullong('balloon.available', 500_000n),
    param.ullong('balloon.usable', 295_200n),
    param.uint('net.count', 2),
    param.ullong('net.0.rx.bytes', 1n),
    param.ullong('net.1.rx.bytes', 2n),
    param.ullong('net.1.tx.bytes', 4n),
    param.uint('block.count', 1),
    param.ullong('block.0.rd.bytes', 8n),
    param.ullong('block.0.wr.bytes', 16n),
  ]);
  assert.equal(statisticsOf(id, values, at), {
    id,
    at: '2026-01-02T03:04:05.000Z',
    cpuTimeNs: 12,
    memoryUsedMiB: 200,
    diskReadBytes: 8,
    diskWriteBytes: 16,
    netReceiveBytes: 3,
    netSendBytes: 4,
  });
  assert.equal(sightOf(values), see('running', 'booted'));
});

test('a busy domain answers with less', () => {
  const bare = new ParamReader([param.int('state.state', 3), param.int('state.reason', 5)]);
  assert.is(statisticsOf(id, bare, at).memoryUsedMiB, undefined);
  assert.equal(sightOf(bare), see('paused', 'disk error'));
  assert.is(sightOf(new ParamReader([])), undefined);
  const occupied = new ParamReader([
    param.ullong('balloon.rss', 900_000n),
    param.ullong('balloon.current', 524_288n),
  ]);
  assert.is(statisticsOf(id, occupied, at).memoryUsedMiB, 512);
});

test.run();
