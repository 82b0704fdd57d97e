import { X509Certificate } from 'node:crypto';
import * as assert from 'uvu/assert';
import { clusterHostSchema } from '../../node/contract/cluster.ts';
import { etcdKeys } from '../../node/contract/etcd.ts';
import { emptyDatabase, testDatabase } from '../../test/support/database.ts';
import { endOf, formedHosts, type TestEngine, testEngine } from '../../test/support/engine.ts';
import { eventually } from '../../test/support/eventually.ts';
import { refused } from '../../test/support/refused.ts';
import { suite } from '../../test/support/suite.ts';
import type { Database } from '../db/database.ts';

const test = suite('adding a host', { deadlineMs: 40_000 });
let database: Database | undefined;
let engine: TestEngine | undefined;

const fresh = async (): Promise<TestEngine> => {
  database ??= await testDatabase();
  await engine?.stop();
  await emptyDatabase(database);
  engine = await testEngine(database, await formedHosts({ more: 1 }));
  return engine;
};
const newcomer = (present: TestEngine) => {
  const host = present.world.hosts[3];
  if (host === undefined) throw new Error('no newcomer');
  return host;
};
const bodyFor = (present: TestEngine, parts: object = {}) => {
  const { id, options, code } = newcomer(present);
  return { id, address: options.address, name: 'host4', code, ...parts };
};

test('found by scanning, paired by its code, it becomes a host that runs VMs', async () => {
  const present = await fresh();
  const { items } = await present.client.call('listDiscoveredHosts');
  assert.equal(
    items.map(({ name }) => name),
    ['host4'],
  );
  const { jobId } = await present.client.call('addHost', { body: bodyFor(present) });
  const job = await endOf(present.client, jobId);
  assert.is(job.state, 'done', job.error?.message);
  const host = await present.client.call('getHost', { params: { id: newcomer(present).id } });
  assert.is(host.state, 'online');
  assert.is(host.storageAddress, '10.77.1.14');
  assert.equal((await present.client.call('listDiscoveredHosts')).items, []);
  const kept = newcomer(present).kept;
  assert.equal([...kept.mounts.keys()].sort(), ['data', 'engine']);
  assert.is(kept.network.state, 'confirmed');
  const document = clusterHostSchema.parse(
    JSON.parse(present.world.etcd.get(etcdKeys.host(newcomer(present).id)) ?? ''),
  );
  assert.is(document.role, 'compute');
  const certificate = new X509Certificate(kept.join?.certificate ?? '');
  assert.match(certificate.subject, 'OU=host');
  const { hosts } = await present.client.call('getPlacement', {
    params: { id: (await engineVm(present)).id },
  });
  assert.ok(hosts.some(({ name, fits }) => name === 'host4' && fits));
});

const engineVm = (present: TestEngine) =>
  eventually('the engine’s VM', async () =>
    (await present.client.call('listVms')).items.find(({ isEngine }) => isEngine),
  );

test('a wrong code ends in one plain sentence and changes nothing', async () => {
  const present = await fresh();
  const { jobId } = await present.client.call('addHost', { body: bodyFor(present, { code: 'WRNGC0DE' }) });
  const job = await endOf(present.client, jobId);
  assert.is(job.state, 'failed');
  assert.is(job.error?.message, 'The code is not the one that host4 shows.');
  assert.is(newcomer(present).kept.join, undefined);
  assert.is((await present.client.call('listHosts')).total, 3);
});

test('a host with another version is left as it was, its code unspent', async () => {
  const present = await fresh();
  newcomer(present).options.version = '0.0.9';
  const { jobId } = await present.client.call('addHost', { body: bodyFor(present) });
  const job = await endOf(present.client, jobId);
  assert.is(job.error?.message, 'host4 runs version 0.0.9, the cluster 0.1.0.');
  newcomer(present).options.version = '0.1.0';
  const again = await present.client.call('addHost', { body: bodyFor(present) });
  assert.is((await endOf(present.client, again.jobId)).state, 'done');
});

test('a host that does not answer is told so', async () => {
  const present = await fresh();
  newcomer(present).powered = false;
  const { jobId } = await present.client.call('addHost', { body: bodyFor(present) });
  const job = await endOf(present.client, jobId);
  assert.match(job.error?.message ?? '', 'Nothing answers at 10.77.0.14');
  assert.is((await present.client.call('listHosts')).total, 3);
});

test('a member is not added again, and a name is not given twice', async () => {
  const present = await fresh();
  const [first] = present.world.hosts;
  if (first === undefined) throw new Error('no host');
  const member = bodyFor(present, { id: first.id });
  assert.is((await refused(present.client.call('addHost', { body: member }))).code, 'host.already-member');
  const named = bodyFor(present, { name: 'host1' });
  assert.is((await refused(present.client.call('addHost', { body: named }))).code, 'host.name-taken');
});

test.after(async () => {
  await engine?.stop();
  await database?.close();
});

test.run();
