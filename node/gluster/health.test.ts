import * as assert from 'uvu/assert';
import { suite } from '../../test/support/suite.ts';
import { judge, type VolumeView } from './health.ts';
import { decideRepair, freshRepair, type RepairState, repairTimes } from './repair.ts';

const test = suite('the health of a volume');
const path = '/var/lib/trefoil/bricks/b/data';
const addresses = ['10.77.1.11', '10.77.1.12', '10.77.1.13'];

type Change = {
  offline?: string[];
  lost?: string[];
  pending?: number;
  splitBrain?: number;
  unmounted?: boolean;
  blind?: boolean;
};
const view = (change: Change = {}): VolumeView => ({
  info: {
    name: 'data',
    id: 'x',
    started: true,
    layout: 'replica-3',
    setSize: 3,
    bricks: addresses.map((address) => ({ address, path, arbiter: false })),
    options: {},
  },
  processes: change.blind
    ? undefined
    : {
        bricks: addresses.map((address) => ({
          address,
          path,
          online: !change.offline?.includes(address),
          pid: 1,
        })),
        selfHeal: [{ address: 'localhost', online: true, pid: 7 }],
      },
  heal: addresses.map((address) => ({
    address,
    path,
    connected: true,
    pending: change.pending ?? 0,
    splitBrain: change.splitBrain ?? 0,
  })),
  mount: change.unmounted
    ? { state: 'not-mounted', links: undefined }
    : {
        state: 'mounted',
        links: addresses.map((address) => ({ address, path, connected: !change.lost?.includes(address) })),
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

test('a heal that makes progress is left alone; one that stands still gets its daemon restarted', () => {
  assert.equal(play(Array.from({ length: 30 }, (_, index) => ({ pending: 100 - index }))), []);
  assert.equal(play(times(8, { pending: 5 })), [`${repairTimes.stuckForMs / 1000} s restart-self-heal`]);
});

test('what cannot be seen is no reason to act', () => {
  assert.equal(play(times(30, { blind: true, lost: ['10.77.1.12'] })), []);
});

test.run();
