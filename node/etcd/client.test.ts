import * as assert from 'uvu/assert';
import { type FakeCluster, startFakeEtcd } from '../../test/fakes/etcd/gateway.ts';
import { suite } from '../../test/support/suite.ts';
import { systemClock } from '../clock/clock.ts';
import { AppError } from '../contract/error.ts';
import { type EtcdClient, makeEtcdClient } from './client.ts';
import { makeTransport } from './transport.ts';

const test = suite('etcd client');
let cluster: FakeCluster;
let client: EtcdClient;

const connect = (urls: readonly string[]) =>
  makeEtcdClient(
    { transport: makeTransport(undefined), clock: systemClock },
    { endpoints: urls, attemptMs: 500, deadlineMs: 6_000 },
  );
const codeOf = async (work: Promise<unknown>): Promise<string> =>
  work.then(
    () => 'no error',
    (error: unknown) => (error instanceof AppError ? error.code : String(error)),
  );
/** Faults below are for the first member: make sure that it is the one that is asked. */
const first = () => {
  const member = cluster.members[0];
  if (member === undefined) throw new Error('the fake has no member');
  return member;
};

test.beforeEach(async () => {
  cluster = await startFakeEtcd(3);
  client = connect(cluster.urls);
});
test.afterEach(async () => {
  await client.close();
  await cluster.stop();
});

test('get, put, range and delete', async () => {
  assert.is(await client.get('/t/none'), undefined);
  const { revision } = await client.put('/t/a', 'one ✓');
  await client.put('/t/b', '');
  await client.put('/u', 'outside');
  const found = await client.get('/t/a');
  assert.is(found?.value, 'one ✓');
  assert.is(found?.modRevision, revision);
  const listed = await client.range('/t/');
  assert.equal(
    listed.kvs.map((kv) => [kv.key, kv.value]),
    [
      ['/t/a', 'one ✓'],
      ['/t/b', ''],
    ],
  );
  assert.equal(await client.delete('/t/', { prefix: true }), { deleted: 2 });
  assert.equal((await client.range('/t/')).kvs, []);
  assert.is((await client.get('/u'))?.value, 'outside');
});

test('a transaction compares, and tells which way it went', async () => {
  const make = {
    when: [{ key: '/k', exists: false }],
    do: [{ put: '/k', value: '1' }],
    otherwise: [{ get: '/k' }],
  };
  assert.is((await client.txn(make)).succeeded, true);
  const second = await client.txn(make);
  assert.is(second.succeeded, false);
  assert.is(second.gets[0]?.value, '1');
  const { modRevision } = (await client.get('/k')) ?? { modRevision: -1 };
  const swap = await client.txn({ when: [{ key: '/k', modRevision }], do: [{ put: '/k', value: '2' }] });
  assert.is(swap.succeeded, true);
});

for (const fault of [{ kind: 'hang' }, { kind: 'reset' }, { kind: 'truncated' }] as const)
  test(`a read goes on at another member: ${fault.kind}`, async () => {
    await client.put('/k', 'v');
    first().fail('/v3/kv/range', fault);
    assert.is((await client.get('/k'))?.value, 'v');
  });

test('a member that is not there is passed over, and put last afterwards', async () => {
  await first().stop();
  await client.put('/k', 'v');
  assert.is(client.caller.endpoints.order().at(-1), first().url);
});

test('a plain put is repeated when its outcome is not known', async () => {
  first().fail('/v3/kv/put', { kind: 'apply-then-reset' });
  await client.put('/k', 'v');
  assert.is((await client.get('/k'))?.version, 2);
});

test('a transaction whose outcome is not known is never repeated, and says so', async () => {
  await client.get('/k');
  first().fail('/v3/kv/txn', { kind: 'apply-then-reset' });
  const code = await codeOf(
    client.txn({ when: [{ key: '/k', exists: false }], do: [{ put: '/k', value: '1' }] }),
  );
  assert.is(code, 'etcd.outcome-unknown');
  assert.is((await client.get('/k'))?.version, 1);
});

test('a transaction does not go to a frozen member', async () => {
  first().freeze();
  const result = await client.txn({ when: [{ key: '/k', exists: false }], do: [{ put: '/k', value: '1' }] });
  assert.is(result.succeeded, true);
});

test('a transaction does not go to a member without a leader', async () => {
  first().setLeader(undefined);
  await client.txn({ when: [], do: [{ put: '/k', value: '1' }] });
  assert.is(first().requests.filter((request) => request.path === '/v3/kv/txn').length, 0);
});

test('what a member turns away at the door is asked elsewhere, even when it must not be repeated', async () => {
  await client.get('/k');
  first().fail('/v3/kv/txn', { kind: 'refuse', status: 503, code: 14, message: 'etcdserver: no leader' });
  assert.is((await client.txn({ when: [], do: [{ put: '/k', value: '1' }] })).succeeded, true);
});

test('a final refusal is told at once', async () => {
  assert.is(await codeOf(client.put('/k', 'v', { lease: '999' })), 'etcd.not-found');
  assert.is(first().requests.length, 1);
});

test('an answer that is not etcd is unreadable, not guessed at', async () => {
  first().fail('/v3/kv/range', { kind: 'garbage' });
  assert.is(await codeOf(client.get('/k')), 'command.unreadable');
});

test('no member answers: the call ends at its deadline and names each member', async () => {
  for (const member of cluster.members) member.freeze();
  const started = performance.now();
  const error = await client.get('/k', { deadlineMs: 2_000 }).catch((thrown: unknown) => thrown);
  assert.instance(error, AppError);
  assert.is((error as AppError).code, 'etcd.unavailable'); // checked by the line above
  assert.ok(performance.now() - started < 5_000);
  assert.equal(Object.keys((error as AppError).details?.['members'] ?? {}).sort(), [...cluster.urls].sort());
});

test('an abort ends a call at once, with its reason', async () => {
  for (const member of cluster.members) member.freeze();
  const controller = new AbortController();
  const call = client.get('/k', { signal: controller.signal });
  setTimeout(() => controller.abort(new Error('enough')), 30);
  assert.match(await codeOf(call), 'enough');
});

test('leases: granted, kept, revoked twice, gone', async () => {
  const lease = await client.leaseGrant(5);
  assert.is((await client.leaseKeepAlive(lease.id)).ttlSeconds, 5);
  await client.put('/k', 'v', { lease: lease.id });
  await client.leaseRevoke(lease.id);
  await client.leaseRevoke(lease.id);
  assert.is(await client.get('/k'), undefined);
  assert.is((await client.leaseKeepAlive(lease.id)).ttlSeconds, 0);
});

test.run();
