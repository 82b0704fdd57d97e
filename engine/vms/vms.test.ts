import * as assert from 'uvu/assert';
import { emptyDatabase, testDatabase } from '../../test/support/database.ts';
import { endOf, formedHosts, type TestEngine, testEngine } from '../../test/support/engine.ts';
import { eventually } from '../../test/support/eventually.ts';
import { refused } from '../../test/support/refused.ts';
import { suite } from '../../test/support/suite.ts';
import type { Vm } from '../contract/vms.ts';
import type { Database } from '../db/database.ts';

const test = suite('VMs through the API', { deadlineMs: 30_000 });
let database: Database;
let engine: TestEngine;

test.before(async () => {
  database = await testDatabase();
});
test.beforeEach(async () => {
  await emptyDatabase(database);
  engine = await testEngine(database, await formedHosts(), {
    hostsPatience: { graceMs: 500, longestWaitMs: 250 },
  });
});
test.afterEach(() => engine.stop());
test.after(() => database.close());

const call = () => engine.client;
const imageId = async () => {
  const image = await eventually('the image', async () => (await call().call('listImages')).items[0]);
  return image.id;
};
/** Without HA; engine/ha/ha.test.ts is about VMs with it. */
const create = async (name: string, parts: { start?: boolean; diskMiB?: number } = {}) => {
  const { id, jobId } = await call().call('createVm', {
    body: { name, imageId: await imageId(), diskMiB: 1024, memoryMiB: 512, ha: { enabled: false }, ...parts },
  });
  const job = await endOf(call(), jobId);
  assert.is(job.state, 'done', job.error?.message);
  return id;
};
const get = (id: string): Promise<Vm> => call().call('getVm', { params: { id } });
const act = async (name: 'startVm' | 'stopVm' | 'shutdownVm' | 'rebootVm', id: string) => {
  const { jobId } = await call().call(name, { params: { id } });
  return endOf(call(), jobId);
};

test('created from an image it runs, has its disk, and a host name by cloud-init', async () => {
  const id = await create('Web 01'.replace(' ', '-'));
  const vm = await get(id);
  assert.is(vm.state, 'running');
  assert.is(vm.image?.name, 'Practice image');
  const host = engine.world.hosts.find(({ id: hostId }) => hostId === vm.host?.id);
  const spec = [...(host?.kept.vms.values() ?? [])].find((each) => each.spec.id === id)?.spec;
  assert.match(spec?.cloudInit?.metaData ?? '', 'local-hostname: web-01');
  const file = engine.world.volumes.get('data')?.files.get(spec?.disks[0]?.path ?? '');
  assert.is(file?.content, 'image Practice image');
});

test('the whole life: created off, started, shut down, started, moved, stopped, deleted', async () => {
  const id = await create('web01', { start: false });
  assert.is((await get(id)).state, 'off');
  assert.is((await act('startVm', id)).state, 'done');
  const first = await get(id);
  assert.is(first.state, 'running');
  assert.is((await act('shutdownVm', id)).state, 'done');
  assert.is((await get(id)).state, 'off');
  assert.is((await get(id)).host, undefined);
  await act('startVm', id);
  const before = await get(id);
  const { jobId } = await call().call('migrateVm', { params: { id }, body: {} });
  assert.is((await endOf(call(), jobId)).state, 'done');
  const after = await get(id);
  assert.is(after.state, 'running');
  assert.is.not(after.host?.id, before.host?.id);
  assert.is((await act('rebootVm', id)).state, 'done');
  assert.is((await act('stopVm', id)).state, 'done');
  const removed = await call().call('deleteVm', { params: { id } });
  assert.is((await endOf(call(), removed.jobId)).state, 'done');
  assert.is((await refused(get(id))).code, 'vm.missing');
  assert.is(
    engine.world.hosts.filter(({ kept }) => [...kept.vms.keys()].some((key) => key === id)).length,
    0,
  );
  assert.is(
    [...(engine.world.volumes.get('data')?.files.keys() ?? [])].filter((path) => path.startsWith('disks/'))
      .length,
    0,
  );
});

test('two VMs cannot have one name, also when only letters differ in size; nothing is made', async () => {
  await create('web01');
  const error = await refused(create('WEB01'));
  assert.is(error.code, 'vm.name-taken');
  assert.is((await call().call('listVms')).total, 2);
});

test('an action that its state does not allow is refused with the states that do', async () => {
  const id = await create('web01', { start: false });
  const error = await refused(call().call('migrateVm', { params: { id }, body: {} }));
  assert.is(error.code, 'vm.not-in-this-state');
  assert.is(error.message, 'web01 is off and cannot be moved now.');
  assert.equal(error.details, { state: 'off', allowedStates: ['running'] });
});

test('the engine’s own VM is shown and cannot be changed', async () => {
  const vm = await eventually('the engine’s VM', async () =>
    (await call().call('listVms')).items.find((each) => each.isEngine),
  );
  assert.is(vm.state, 'running');
  const { id } = vm;
  assert.is((await refused(call().call('stopVm', { params: { id } }))).code, 'vm.is-engine');
  assert.is((await refused(call().call('deleteVm', { params: { id } }))).code, 'vm.is-engine');
  assert.is(
    (await refused(call().call('updateVm', { params: { id }, body: { name: 'x' } }))).code,
    'vm.is-engine',
  );
});

test('what cannot be made is refused before anything is: disk, image, network, volume, memory', async () => {
  const image = await imageId();
  const body = { name: 'web01', diskMiB: 1024, imageId: image };
  const code = async (parts: object) =>
    (await refused(call().call('createVm', { body: { ...body, ...parts } }))).code;
  assert.is(await code({ diskMiB: 100 }), 'vm.disk-too-small');
  assert.is(await code({ imageId: '00000000-0000-4000-8000-000000000000' }), 'image.missing');
  assert.is(await code({ network: 'nowhere' }), 'network.missing');
  assert.is(await code({ volume: 'nowhere' }), 'volume.missing');
  assert.is(await code({ volume: 'engine' }), 'volume.not-for-vms');
  assert.is(await code({ memoryMiB: 4_000_000 }), 'scheduler.no-host');
  assert.is((await call().call('listJobs')).total, 0);
  assert.is((await call().call('listVms', { query: { search: 'web' } })).total, 0);
});

test('a full volume ends in one plain sentence', async () => {
  const volume = engine.world.volumes.get('data');
  for (let count = 0; count < 2600; count += 1)
    volume?.files.set(`filler/${count}`, { format: 'raw', sizeMiB: 1_000_000, content: 'x' });
  await eventually('the volume to be seen full', async () => {
    const { items } = await call().call('listVolumes');
    return items.some(({ name, freeMiB }) => name === 'data' && freeMiB < 100);
  });
  const error = await refused(
    call().call('createVm', { body: { name: 'web01', diskMiB: 1024, imageId: await imageId() } }),
  );
  assert.is(error.code, 'volume.full');
  assert.match(error.message, /^The volume data has \d+ MiB free; 512 MiB are needed\.$/);
});

test('a start that fails leaves it off, on no host, and says why', async () => {
  const id = await create('web01', { start: false });
  const path = [...(engine.world.volumes.get('data')?.files.keys() ?? [])].find((each) =>
    each.startsWith('disks/'),
  );
  engine.world.volumes.get('data')?.files.delete(path ?? '');
  const job = await act('startVm', id);
  assert.is(job.state, 'failed');
  assert.match(job.error?.message ?? '', 'is not on the volume data');
  assert.is((await get(id)).state, 'off');
  assert.ok(engine.world.hosts.every(({ kept }) => ![...kept.vms.keys()].some((key) => key === id)));
});

test('stop takes over from a shutdown that the guest ignores', async () => {
  const id = await create('web01');
  const host = engine.world.hosts.find(
    ({ id: hostId }) => hostId === engine.engine.catalog.byKey(`vm:${id}`)?.hostId,
  );
  if (host === undefined) throw new Error('no host');
  host.faults.actOnVm = {
    kind: 'refuse',
    times: 1,
    error: { code: 'host.unreachable', family: 'unavailable', message: 'Lost.' },
  };
  const { jobId } = await call().call('shutdownVm', { params: { id } });
  const stop = await call().call('stopVm', { params: { id } });
  assert.is((await endOf(call(), stop.jobId)).state, 'done');
  assert.ok(['cancelled', 'done'].includes((await endOf(call(), jobId)).state));
  assert.is((await get(id)).state, 'off');
});

test('when its guest ends by itself the VM is off, and an event says so', async () => {
  const id = await create('web01');
  const host = engine.world.hosts.find(({ kept }) => [...kept.vms.keys()].some((key) => key === id));
  if (host === undefined) throw new Error('no host');
  const { clientOf } = await import('../../test/fakes/hosts/dispatch.ts');
  await clientOf(engine.world, host, 'engine').call('actOnVm', {
    params: { id },
    body: { action: 'shutdown' },
  });
  const vm = await eventually('it to be off', async () => {
    const now = await get(id);
    return now.state === 'off' && now;
  });
  assert.is(vm.reason, 'Its guest shut down.');
  const event = await eventually('the event', async () =>
    (await call().call('listEvents')).items.find(({ code }) => code === 'vm.ended'),
  );
  assert.is(event.message, 'web01 stopped. Its guest shut down.');
});

test('its host is lost: unknown, never started elsewhere; back again: running', async () => {
  const id = await create('web01');
  const before = await get(id);
  const host = engine.world.hosts.find(({ id: hostId }) => hostId === before.host?.id);
  if (host === undefined) throw new Error('no host');
  host.powered = false;
  const lost = await eventually(
    'it to be unknown',
    async () => {
      const now = await get(id);
      return now.state === 'unknown' && now;
    },
    { deadlineMs: 15_000 },
  );
  assert.match(lost.reason, 'cannot be reached');
  assert.is((await refused(call().call('startVm', { params: { id } }))).code, 'vm.not-in-this-state');
  host.powered = true;
  await eventually('it to run again', async () => (await get(id)).state === 'running', {
    deadlineMs: 15_000,
  });
  assert.is((await get(id)).host?.id, before.host?.id);
});

test('placement tells of each host why or why not', async () => {
  const id = await create('web01');
  const { hosts } = await call().call('getPlacement', { params: { id } });
  assert.is(hosts.length, 3);
  assert.is(hosts.filter(({ fits }) => fits).length, 2);
  assert.equal(hosts.find(({ fits }) => !fits)?.reasons, ['It runs there now.']);
});

test('moving to a host that does not fit is refused with its reasons', async () => {
  const id = await create('web01');
  const { hosts } = await call().call('getPlacement', { params: { id } });
  const here = hosts.find(({ fits }) => !fits)?.id;
  const error = await refused(call().call('migrateVm', { params: { id }, body: { hostId: here } }));
  assert.is(error.code, 'scheduler.host-does-not-fit');
});

test('the serial log is there while it runs', async () => {
  const id = await create('web01');
  assert.match(await call().call('getSerialLog', { params: { id } }), '[boot] web01');
});

test('lists come in pages by name, and can be searched', async () => {
  for (const name of ['c', 'a', 'B']) await create(name, { start: false });
  const names = async (query: object) =>
    (await call().call('listVms', { query: { search: '', ...query } })).items.map(({ name }) => name);
  assert.equal(await names({}), ['a', 'B', 'c', 'engine']);
  const first = await call().call('listVms', { query: { limit: 2 } });
  assert.is(first.total, 4);
  assert.equal(await names({ limit: 2, after: first.next }), ['c', 'engine']);
  assert.equal(await names({ search: 'b' }), ['B']);
  assert.is((await refused(call().call('listVms', { query: { after: 'xx' } }))).code, 'page.wrong-cursor');
});

test('after a restart of the engine everything is as before', async () => {
  const id = await create('web01');
  engine = await engine.restart();
  const vm = await get(id);
  assert.is(vm.state, 'running');
  assert.is(vm.name, 'web01');
});

test.run();
