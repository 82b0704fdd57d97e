import * as assert from 'uvu/assert';
import { suite } from '../../test/support/suite.ts';
import { judge, type VolumeView } from './health.ts';
import { decideRepair, freshRepair, type RepairState, repairTimes } from './repair.ts';

const test = suite('the health of a volume');
const path = '/var/lib/trefoil/bricks/b/data';
const addresses = ['10.77.1.11', '10.77.1.12', '10.77.1.13'];

/** This host is 10.77.1.11. */
type Change = {
  offline?: string[];
  lost?: string[];
  pending?: number;
  splitBrain?: number;
  unmounted?: boolean;
  blind?: boolean;
  /** its own brick has no process */
  dead?: boolean;
  /** its self-heal daemon misses so many bricks, or is not there */
  unhealed?: number | 'all';
  prefetch?: string;
};
const view = (change: Change = {}): VolumeView => ({
  info: {
    name: 'data',
    id: 'x',
    started: true,
    layout: 'replica-3',
    setSize: 3,
    bricks: addresses.map((address) => ({ address, path, arbiter: false })),
    options: change.prefetch === undefined ? {} : { 'performance.stat-prefetch': change.prefetch },
  },
  own: change.blind ? [] : [{ address: addresses[0] ?? '', path, alive: change.dead !== true, waiting: 0 }],
  processes: undefined,
  selfHeal:
    change.unhealed === 'all'
      ? []
      : addresses.map((_, index) => ({
          client: `data-client-${index}`,
          connected: index >= Number(change.unhealed ?? 0),
        })),
  heal: change.blind
    ? undefined
    : addresses.map((address) => ({
        address,
        path,
        connected: !change.offline?.includes(address),
        pending: change.pending ?? 0,
        splitBrain: change.splitBrain ?? 0,
      })),
  mount:
    change.unmounted || change.blind
      ? { state: change.unmounted ? 'not-mounted' : 'mounted', links: undefined }
      : {
          state: 'mounted',
          links: addresses.map((address) => ({
            address,
            path,
            connected: ![...(change.lost ?? []), ...(change.offline ?? [])].includes(address),
          })),
        },
});
const state = (change?: Change) => judge(view(change)).state;

test('is healthy only when every brick is online and connected and nothing waits', () => {
  assert.is(state(), 'healthy');
  assert.is(state({ unmounted: true }), 'healthy');
  assert.is(state({ pending: 3 }), 'healing');
  assert.is(state({ offline: ['10.77.1.13'] }), 'degraded');
  assert.is(state({ splitBrain: 1 }), 'split-brain');
  assert.is(state({ blind: true }), 'unknown');
});

test('is degraded when everything says online but this mount has lost a brick', () => {
  const health = judge(view({ lost: ['10.77.1.12'] }));
  assert.is(health.state, 'degraded');
  assert.match(health.summary, '10.77.1.12');
});

test('a brick is up when this mount or a fresh client reaches it; its own, when its process runs too', () => {
  const online = (change: Change) => judge(view(change)).bricks.map((brick) => brick.online);
  assert.equal(online({ lost: ['10.77.1.12'] }), [true, true, true]);
  assert.equal(online({ offline: ['10.77.1.12'] }), [true, false, true]);
  assert.equal(online({ dead: true }), [false, true, true]);
  assert.equal(online({ blind: true }), [undefined, undefined, undefined]);
  const unasked = { ...view({ lost: ['10.77.1.12'] }), heal: undefined };
  assert.equal(
    judge(unasked).bricks.map((brick) => brick.online),
    [true, undefined, true],
  );
  assert.is(judge(unasked).state, 'degraded');
});

test('what nobody could see is unknown, not away', () => {
  const blind = { ...view(), heal: undefined, mount: { state: 'mounted' as const, links: undefined } };
  assert.is(judge(blind).state, 'unknown');
  const [own] = blind.own;
  assert.is(judge({ ...blind, own: own === undefined ? [] : [{ ...own, alive: false }] }).state, 'unknown');
  assert.is(judge({ ...blind, mount: { state: 'stale', links: undefined } }).state, 'offline');
});

test('is offline without a majority, of bricks or of connections', () => {
  assert.is(state({ offline: ['10.77.1.12', '10.77.1.13'] }), 'offline');
  assert.is(state({ lost: ['10.77.1.12', '10.77.1.13'] }), 'offline');
});

test('counts a file that waits on all bricks once', () => {
  assert.is(judge(view({ pending: 4 })).healPending, 4);
});

/** Feeds what is seen each 10 s; returns when and what was done. */
const play = (changes: Change[], from: RepairState = freshRepair) => {
  const done: string[] = [];
  let repair = from;
  changes.forEach((change, index) => {
    const seen = view(change);
    const { state: next, action } = decideRepair(repair, {
      view: seen,
      health: judge(seen),
      nowMs: index * 10_000,
    });
    repair = next;
    if (action !== undefined) done.push(`${index * 10} s ${action.kind}`);
  });
  return done;
};
const times = (count: number, change: Change) => Array.from({ length: count }, () => change);

test('a mount that lost a brick which is back is connected anew, with growing pauses', () => {
  assert.equal(play(times(12, { lost: ['10.77.1.12'] })), [
    '20 s rebuild-graphs',
    '50 s rebuild-graphs',
    '110 s rebuild-graphs',
  ]);
});

test('a brick that is really away is waited for', () => {
  assert.equal(play(times(30, { offline: ['10.77.1.12'], lost: ['10.77.1.12'] })), []);
});

test('mounts that another host has just made connect anew are given time', () => {
  const lost = ['10.77.1.12'];
  assert.equal(
    play([{ lost }, { lost }, { lost, prefetch: 'off' }, { lost, prefetch: 'off' }, { prefetch: 'off' }]),
    [],
  );
});

test('a heal that makes progress is left alone; one that stands still gets its daemon restarted', () => {
  assert.equal(play(Array.from({ length: 30 }, (_, index) => ({ pending: 100 - index }))), []);
  assert.equal(play(times(8, { pending: 5 })), [`${repairTimes.standstillMs / 1000} s restart-self-heal`]);
});

test('a self-heal daemon that lost a brick which is up is restarted soon, but not while a brick is away', () => {
  assert.equal(play(times(4, { pending: 5, unhealed: 1 })), ['20 s restart-self-heal']);
  assert.equal(play(times(4, { unhealed: 1 })), ['20 s restart-self-heal']);
  assert.equal(play(times(4, { unhealed: 'all' })), ['20 s restart-self-heal']);
  assert.equal(play(times(9, { offline: ['10.77.1.12'], unhealed: 1, pending: 5 })), []);
});

test('a brick of this host that died is started; in vain, with growing pauses', () => {
  assert.equal(play([{}, { dead: true }, {}, {}]), []);
  assert.equal(play(times(12, { dead: true })), [
    '10 s start-bricks',
    '40 s start-bricks',
    '100 s start-bricks',
  ]);
});

test('troubles that follow each other need not wait for each other', () => {
  const lost = ['10.77.1.12'];
  assert.equal(
    play([
      ...times(2, { dead: true }),
      ...times(3, { lost, pending: 5 }),
      ...times(3, { pending: 5, unhealed: 1 }),
      {},
    ]),
    ['10 s start-bricks', '40 s rebuild-graphs', '70 s restart-self-heal'],
  );
});

test('what cannot be seen is no reason to act', () => {
  assert.equal(play(times(30, { blind: true, lost: ['10.77.1.12'] })), []);
});

test.run();
