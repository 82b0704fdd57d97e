import * as assert from 'uvu/assert';
import { type FakeCluster, startFakeEtcd } from '../../test/fakes/etcd/gateway.ts';
import { eventually } from '../../test/support/eventually.ts';
import { suite } from '../../test/support/suite.ts';
import { systemClock } from '../clock/clock.ts';
import { type EtcdClient, makeEtcdClient } from './client.ts';
import { type FollowItem, follow } from './follow.ts';
import { makeTransport } from './transport.ts';

const test = suite('etcd follow', { deadlineMs: 20_000 });
let cluster: FakeCluster;
let client: EtcdClient;
let over: AbortController;
let told: string[];
let working: Promise<void>;

const words = (item: FollowItem): string[] => {
  switch (item.kind) {
    case 'snapshot':
      return [`snapshot ${item.kvs.map((kv) => `${kv.key}=${kv.value}`).join(' ')}`.trim()];
    case 'events':
      return item.events.map((event) =>
        event.kind === 'put' ? `put ${event.kv.key}=${event.kv.value}` : `delete ${event.key}`,
      );
    case 'live':
      return ['live'];
    case 'stale':
      return ['stale'];
  }
};
const start = () => {
  working = (async () => {
    for await (const item of follow(client, '/t/', { signal: over.signal, probeEveryMs: 100 }))
      told.push(...words(item));
  })();
};
const waitFor = (line: string) =>
  eventually(line, () => told.includes(line), { deadlineMs: 18_000, everyMs: 10 });
const changes = () => told.filter((line) => line.startsWith('put') || line.startsWith('delete'));

test.beforeEach(async () => {
  cluster = await startFakeEtcd(3);
  client = makeEtcdClient(
    { transport: makeTransport(undefined), clock: systemClock },
    { endpoints: cluster.urls, attemptMs: 700, deadlineMs: 3_000 },
  );
  over = new AbortController();
  told = [];
});
test.afterEach(async () => {
  over.abort(new Error('the test is over'));
  await working;
  await client.close();
  await cluster.stop();
});

test('first what is there, then each change, in order, and only of its prefix', async () => {
  await client.put('/t/a', '1');
  start();
  await waitFor('live');
  await client.put('/t/b', '2');
  await client.put('/x', 'no');
  await client.delete('/t/a');
  await waitFor('delete /t/a');
  assert.equal(told, ['snapshot /t/a=1', 'live', 'put /t/b=2', 'delete /t/a']);
});

test('a connection lost after each event: nothing is lost, nothing is told twice', async () => {
  for (const member of cluster.members)
    member.fail('/v3/watch', { kind: 'end-watch-after-events', count: 1 }, 20);
  start();
  await waitFor('live');
  for (let index = 1; index <= 6; index += 1) await client.put('/t/n', String(index));
  await waitFor('put /t/n=6');
  assert.equal(
    changes(),
    [1, 2, 3, 4, 5, 6].map((index) => `put /t/n=${index}`),
  );
});

test('a frozen member is left for another one', async () => {
  start();
  await waitFor('live');
  const watching = cluster.members.find((member) => member.requests.some((one) => one.path === '/v3/watch'));
  watching?.freeze();
  await client.put('/t/a', 'after');
  await waitFor('put /t/a=after');
  assert.ok(told.includes('stale'));
  assert.equal(changes(), ['put /t/a=after']);
});

test('a member that knows no leader any more is left for another one', async () => {
  start();
  await waitFor('live');
  const watching = cluster.members.find((member) => member.requests.some((one) => one.path === '/v3/watch'));
  watching?.setLeader(undefined);
  await waitFor('stale');
  await eventually('watch elsewhere', () => told.filter((line) => line === 'live').length === 2);
});

test('what was compacted away while we were gone is read again as a whole', async () => {
  start();
  await waitFor('live');
  for (const member of cluster.members)
    member.fail('/v3/watch', { kind: 'refuse', status: 503, code: 14, message: 'down' }, 2);
  for (const member of cluster.members) member.dropConnections();
  await waitFor('stale');
  await client.put('/t/a', '1');
  await client.put('/t/a', '2');
  cluster.store.compact(cluster.store.revision);
  await waitFor('snapshot /t/a=2');
  await client.put('/t/a', '3');
  await waitFor('put /t/a=3');
});

test('a cluster that was rebuilt is read again as a whole', async () => {
  start();
  await waitFor('live');
  cluster.rename('78');
  for (const member of cluster.members) member.dropConnections();
  await eventually('second snapshot', () => told.filter((line) => line.startsWith('snapshot')).length === 2);
  await client.put('/t/a', 'new');
  await waitFor('put /t/a=new');
});

test('garbage in the stream ends the connection, not the watch', async () => {
  start();
  await waitFor('live');
  await client.put('/t/a', '1');
  await waitFor('put /t/a=1');
  for (const member of cluster.members) member.dropConnections();
  await client.put('/t/a', '2');
  await waitFor('put /t/a=2');
});

test('an abort ends it at once, also while no member answers', async () => {
  for (const member of cluster.members) member.freeze();
  start();
  await waitFor('stale');
  over.abort(new Error('enough'));
  await working;
});

test.run();
