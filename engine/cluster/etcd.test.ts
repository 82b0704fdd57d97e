import * as assert from 'uvu/assert';
import { type FakeCluster, startFakeEtcd } from '../../test/fakes/etcd/gateway.ts';
import { WorldEtcd } from '../../test/fakes/etcd/world-etcd.ts';
import { eventually } from '../../test/support/eventually.ts';
import { memoryStore } from '../../test/support/memory-store.ts';
import { refused } from '../../test/support/refused.ts';
import { suite } from '../../test/support/suite.ts';
import { openClusterStore } from './etcd.ts';
import type { ClusterStore, StoreNews } from './port.ts';

const test = suite('the cluster’s store', { deadlineMs: 20_000 });

const open = (cluster: FakeCluster): ClusterStore =>
  openClusterStore({ endpoints: cluster.urls, ca: '', certificate: '', key: '' });

/** What a follower has come to know. */
function follower(store: ClusterStore, prefix: string) {
  const stop = new AbortController();
  const known = new Map<string, string>();
  const kinds: StoreNews['kind'][] = [];
  const done = (async () => {
    for await (const news of store.follow(prefix, stop.signal)) {
      kinds.push(news.kind);
      if (news.kind === 'snapshot') {
        known.clear();
        for (const { key, value } of news.entries) known.set(key, value);
      } else if (news.kind === 'changes')
        for (const change of news.changes)
          if (change.kind === 'put') known.set(change.entry.key, change.entry.value);
          else known.delete(change.key);
    }
  })();
  return {
    known,
    kinds,
    stop() {
      stop.abort();
      return done;
    },
  };
}

/** The same of both: the one in memory is what tests of the engine stand on. */
async function behaves(store: ClusterStore): Promise<void> {
  await store.put('/t/a', 'one');
  await store.commit([{ key: '/t/b', revision: 0 }], [{ key: '/t/b', value: 'two' }]);
  assert.is((await refused(store.commit([{ key: '/t/b', revision: 0 }], []))).code, 'etcd.changed-meanwhile');
  const found = await store.read(['/t/a', '/t/b', '/t/c']);
  assert.equal([...found.keys()], ['/t/a', '/t/b']);
  const revision = found.get('/t/a')?.revision ?? 0;
  const watching = follower(store, '/t/');
  await eventually('what is there', () => watching.known.size === 2);
  await store.commit(
    [{ key: '/t/a', revision }],
    [
      { key: '/t/a', value: 'new' },
      { key: '/t/b', remove: true },
    ],
  );
  await eventually('the change', () => watching.known.get('/t/a') === 'new' && !watching.known.has('/t/b'));
  assert.is((await refused(store.commit([{ key: '/t/a', revision }], []))).code, 'etcd.changed-meanwhile');
  assert.equal(
    (await store.range('/t/')).map(({ value }) => value),
    ['new'],
  );
  await store.remove('/t/a');
  await eventually('nothing', () => watching.known.size === 0);
  assert.is(await store.get('/t/a'), undefined);
  await watching.stop();
  await store.close();
}

test('over the gateway: reads, guarded changes, and news of them', async () => {
  const cluster = await startFakeEtcd(3);
  await behaves(open(cluster));
  await cluster.stop();
});

test('the one in memory does the same', () => behaves(memoryStore(new WorldEtcd())));

test('a member that dies, or freezes: another one tells on, and nothing is missed', async () => {
  const cluster = await startFakeEtcd(3);
  const store = open(cluster);
  const watching = follower(store, '/t/');
  await eventually('the beginning', () => watching.kinds.includes('snapshot'));
  const [first] = cluster.members;
  first?.freeze();
  await store.put('/t/a', 'one');
  await eventually('news from another member', () => watching.known.get('/t/a') === 'one');
  assert.ok(watching.kinds.includes('stale'));
  for (const member of cluster.members) member.dropConnections();
  await store.put('/t/b', 'two').catch(() => store.put('/t/b', 'two'));
  await eventually('news after all connections broke', () => watching.known.get('/t/b') === 'two');
  await watching.stop();
  await store.close();
  await cluster.stop();
});

test('when no member answers it says so', async () => {
  const cluster = await startFakeEtcd(1);
  const store = open(cluster);
  await cluster.stop();
  assert.is((await refused(store.get('/t/a'))).code, 'etcd.unavailable');
  await store.close();
});

test.run();
