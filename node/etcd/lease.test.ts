import * as assert from 'uvu/assert';
import { makeFakeClock } from '../../test/fakes/clock.ts';
import { suite } from '../../test/support/suite.ts';
import { AppError } from '../contract/error.ts';
import { type HeldLease, holdLease } from './lease.ts';

const test = suite('etcd lease');
const unavailable = () =>
  new AppError({ code: 'etcd.unavailable', family: 'unavailable', message: 'no answer' });

/** A store that answers as `keepAlive` says; time is ours. */
function world() {
  const { clock, advance } = makeFakeClock();
  const state = {
    keepAlives: [] as number[],
    revoked: 0,
    keepAlive: async (): Promise<{ ttlSeconds: number }> => ({ ttlSeconds: 3 }),
  };
  const client = {
    leaseGrant: async () => ({ id: '7', ttlSeconds: 3 }),
    leaseKeepAlive: async () => {
      state.keepAlives.push(clock.now());
      return state.keepAlive();
    },
    leaseRevoke: async () => {
      state.revoked += 1;
    },
  };
  const hold = (signal?: AbortSignal): Promise<HeldLease> =>
    holdLease({ clock }, client, { ttlSeconds: 3, ...(signal === undefined ? {} : { signal }) });
  return { state, hold, advance, clock };
}

test('it is kept alive three times in its time, and revoked when released', async () => {
  const { state, hold, advance } = world();
  const lease = await hold();
  await advance(10_000);
  assert.not(lease.lost.aborted);
  assert.is(state.keepAlives.length, 10);
  assert.is(lease.heldForMs(), 3_000);
  await lease.release();
  assert.is(state.revoked, 1);
  assert.not(lease.lost.aborted);
  await advance(10_000);
  assert.is(state.keepAlives.length, 10);
});

test('failures are tried again at once, and cost nothing when they end in time', async () => {
  const { state, hold, advance } = world();
  const lease = await hold();
  await advance(500);
  state.keepAlive = () => Promise.reject(unavailable());
  await advance(2_000);
  assert.ok(state.keepAlives.length > 10);
  state.keepAlive = async () => ({ ttlSeconds: 3 });
  await advance(10_000);
  assert.not(lease.lost.aborted);
  await lease.release();
});

test('without an answer it is lost exactly when its time is up', async () => {
  const { state, hold, advance } = world();
  const lease = await hold();
  await advance(1_500); // renewed at 1000
  state.keepAlive = () => Promise.reject(unavailable());
  await advance(2_499);
  assert.not(lease.lost.aborted);
  await advance(1);
  assert.ok(lease.lost.aborted);
  assert.is(lease.heldForMs(), 0);
});

test('an answer that hangs does not hide that the time is up', async () => {
  const { state, hold, advance } = world();
  const lease = await hold();
  state.keepAlive = () => new Promise(() => undefined);
  await advance(3_000);
  assert.ok(lease.lost.aborted);
});

test('the time counts from when the keep-alive was sent, not from its answer', async () => {
  const { state, hold, advance, clock } = world();
  const lease = await hold();
  state.keepAlive = async () => {
    await clock.sleep(900);
    return { ttlSeconds: 3 };
  };
  await advance(1_900); // sent at 1000, answered at 1900
  assert.is(lease.heldForMs(), 2_100);
  await lease.release();
});

for (const [what, answer] of [
  ['TTL 0', async () => ({ ttlSeconds: 0 })],
  [
    'not found',
    () => Promise.reject(new AppError({ code: 'etcd.not-found', family: 'missing', message: 'gone' })),
  ],
] as const)
  test(`when the store has ended it (${what}), it is lost at the next keep-alive`, async () => {
    const { state, hold, advance } = world();
    const lease = await hold();
    state.keepAlive = answer;
    await advance(1_000);
    assert.ok(lease.lost.aborted);
    assert.is(state.keepAlives.length, 1);
  });

test('an abort gives it up', async () => {
  const { hold } = world();
  const controller = new AbortController();
  const lease = await hold(controller.signal);
  controller.abort();
  assert.ok(lease.lost.aborted);
});

test.run();
