import { once } from 'node:events';
import * as assert from 'uvu/assert';
import { type FakeCluster, startFakeEtcd } from '../../test/fakes/etcd/gateway.ts';
import { eventually } from '../../test/support/eventually.ts';
import { suite } from '../../test/support/suite.ts';
import { systemClock } from '../clock/clock.ts';
import { type EtcdClient, makeEtcdClient } from './client.ts';
import { holdLease } from './lease.ts';
import { makeTransport } from './transport.ts';

const test = suite('etcd lease');
let cluster: FakeCluster;
let client: EtcdClient;
const env = { clock: systemClock };

test.beforeEach(async () => {
  cluster = await startFakeEtcd(3);
  client = makeEtcdClient(
    { transport: makeTransport(undefined), clock: systemClock },
    { endpoints: cluster.urls },
  );
});
test.afterEach(async () => {
  await client.close();
  await cluster.stop();
});

test('it is kept alive beyond its time, and revoked when released', async () => {
  const lease = await holdLease(env, client, { ttlSeconds: 1 });
  const start = performance.now();
  await eventually('1.3 s', () => performance.now() - start > 1_300, { deadlineMs: 2_000 });
  assert.not(lease.lost.aborted);
  assert.ok(lease.heldForMs() > 300);
  await lease.release();
  assert.is(cluster.store.leases.size, 0);
  assert.not(lease.lost.aborted);
});

test('a frozen member costs some time, not the lease', async () => {
  const lease = await holdLease(env, client, { ttlSeconds: 1 });
  cluster.members[0]?.freeze();
  const start = performance.now();
  await eventually('1.5 s', () => performance.now() - start > 1_500, { deadlineMs: 2_000 });
  assert.not(lease.lost.aborted);
  await lease.release();
});

test('when no member answers, it is lost when its time is up, not later', async () => {
  const lease = await holdLease(env, client, { ttlSeconds: 1 });
  for (const member of cluster.members) member.freeze();
  const start = performance.now();
  await once(lease.lost, 'abort');
  const took = performance.now() - start;
  assert.ok(took <= 1_150 && took >= 500, `lost after ${took} ms`);
  assert.is(lease.heldForMs(), 0);
});

test('when the store has ended it, it is lost at the next keep-alive', async () => {
  const lease = await holdLease(env, client, { ttlSeconds: 3 });
  cluster.store.leases.clear();
  const start = performance.now();
  await once(lease.lost, 'abort');
  assert.ok(performance.now() - start < 1_500);
});

test('an abort gives it up', async () => {
  const controller = new AbortController();
  const lease = await holdLease(env, client, { ttlSeconds: 3, signal: controller.signal });
  controller.abort();
  assert.ok(lease.lost.aborted);
});

test.run();
