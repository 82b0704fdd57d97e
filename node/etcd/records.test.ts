import * as assert from 'uvu/assert';
import { z } from 'zod';
import { type FakeCluster, startFakeEtcd } from '../../test/fakes/etcd/gateway.ts';
import { eventually } from '../../test/support/eventually.ts';
import { suite } from '../../test/support/suite.ts';
import { systemClock } from '../clock/clock.ts';
import { AppError } from '../contract/error.ts';
import { type EtcdClient, makeEtcdClient } from './client.ts';
import { makeRecords, type Records } from './records.ts';
import { makeTransport } from './transport.ts';

const test = suite('etcd records');
const schema = z.object({ size: z.number() });
let cluster: FakeCluster;
let client: EtcdClient;
let records: Records<{ size: number }>;

const refusal = async (work: Promise<unknown>): Promise<AppError> => {
  const error = await work.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  if (error instanceof AppError) return error;
  throw new Error(`expected a refusal, got ${String(error)}`);
};

test.beforeEach(async () => {
  cluster = await startFakeEtcd(1);
  client = makeEtcdClient(
    { transport: makeTransport(undefined), clock: systemClock },
    { endpoints: cluster.urls },
  );
  records = makeRecords(client, { name: 'box', prefix: '/boxes/', schema });
});
test.afterEach(async () => {
  await client.close();
  await cluster.stop();
});

test('create: once, again the same, again another', async () => {
  const made = await records.create('a', { size: 1 });
  assert.equal(await records.create('a', { size: 1 }), made);
  assert.is((await refusal(records.create('a', { size: 2 }))).code, 'etcd.exists');
  assert.equal((await records.get('a'))?.value, { size: 1 });
  assert.is(await records.get('b'), undefined);
});

test('replace writes only over what was read', async () => {
  const first = await records.create('a', { size: 1 });
  const second = await records.replace(first, { size: 2 });
  assert.ok(second.modRevision > first.modRevision);
  assert.is((await refusal(records.replace(first, { size: 3 }))).code, 'etcd.changed-meanwhile');
});

test('update: all of ten rivals count', async () => {
  await records.create('a', { size: 0 });
  await Promise.all(
    Array.from({ length: 10 }, () => records.update('a', (now) => ({ size: (now?.size ?? 0) + 1 }))),
  );
  assert.equal((await records.get('a'))?.value, { size: 10 });
});

test('update: an outcome that was not known is looked up, and the change is made once', async () => {
  await records.create('a', { size: 1 });
  cluster.members[0]?.fail('/v3/kv/txn', { kind: 'apply-then-reset' });
  const after = await records.update('a', (now) => ({ size: (now?.size ?? 0) + 1 }));
  assert.equal(after?.value, { size: 2 });
});

test('a corrupt record is named and refused; the others go on', async () => {
  await records.create('a', { size: 1 });
  await client.put('/boxes/b', '{"size":"big"}');
  await client.put('/boxes/c', 'garbage');
  const listing = await records.list();
  assert.equal(
    listing.records.map((one) => one.id),
    ['a'],
  );
  assert.equal(
    listing.corrupt.map((one) => one.key),
    ['/boxes/b', '/boxes/c'],
  );
  const error = await refusal(records.get('b'));
  assert.is(error.code, 'etcd.corrupt-record');
  assert.match(error.message, '/boxes/b');
  assert.is((await refusal(records.update('c', () => ({ size: 1 })))).code, 'etcd.corrupt-record');
});

test('follow tells records as they come and go', async () => {
  await records.create('a', { size: 1 });
  const over = new AbortController();
  const told: string[] = [];
  const working = (async () => {
    for await (const change of records.follow({ signal: over.signal })) {
      if (change.kind === 'all') told.push(`all ${change.listing.records.length}`);
      else if (change.kind === 'set') told.push(`set ${change.record.id} ${change.record.value.size}`);
      else if (change.kind === 'corrupt') told.push(`corrupt ${change.corrupt.id}`);
      else if (change.kind === 'gone') told.push(`gone ${change.id}`);
    }
  })();
  await eventually('all', () => told.includes('all 1'));
  await records.update('a', () => ({ size: 2 }));
  await client.put('/boxes/b', '[]');
  await records.remove('a');
  await eventually('gone', () => told.includes('gone a'));
  over.abort(new Error('the test is over'));
  await working;
  assert.equal(told, ['all 1', 'set a 2', 'corrupt b', 'gone a']);
});

test.run();
