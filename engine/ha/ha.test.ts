import * as assert from 'uvu/assert';
import { haKeys } from '../../node/contract/ha.ts';
import type { FakeHost } from '../../test/fakes/hosts/model.ts';
import { emptyDatabase, testDatabase } from '../../test/support/database.ts';
import { endOf, formedHosts, type TestEngine, testEngine } from '../../test/support/engine.ts';
import { eventually } from '../../test/support/eventually.ts';
import { refused } from '../../test/support/refused.ts';
import { suite } from '../../test/support/suite.ts';
import { liveMessageSchema } from '../contract/events.ts';
import type { HaState } from '../contract/ha.ts';
import type { Database } from '../db/database.ts';

const test = suite('HA of VMs, through the API', { deadlineMs: 30_000 });
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
  await eventually('HA to be armed', async () => (await call('getHa')).armed);
});
test.afterEach(() => engine.stop());
test.after(() => database.close());

const call = ((...args) => engine.client.call(...args)) as TestEngine['client']['call'];
const get = (id: string) => call('getVm', { params: { id } });
const create = async (name: string, parts: Record<string, unknown> = {}) => {
  const image = await eventually('the image', async () => (await call('listImages')).items[0]);
  const { id, jobId } = await call('createVm', {
    body: { name, imageId: image.id, diskMiB: 1024, memoryMiB: 512, ...parts },
  });
  const job = await endOf(engine.client, jobId);
  assert.is(job.state, 'done', job.error?.message);
  return id;
};
const act = async (name: 'startVm' | 'stopVm' | 'shutdownVm', id: string) =>
  endOf(engine.client, (await call(name, { params: { id } })).jobId);
const hostOf = async (id: string): Promise<FakeHost> => {
  const { host } = await get(id);
  const found = engine.world.hosts.find((each) => each.id === host?.id);
  if (found === undefined) throw new Error('it runs nowhere');
  return found;
};
const events = async () => (await call('listEvents', { query: { limit: 200 } })).items;
const assignment = (id: string) => engine.world.etcd.get(haKeys.assignment(id));

test('a VM on replicated storage is an HA VM unless told otherwise, and HA has it', async () => {
  const id = await create('web01');
  assert.equal((await get(id)).ha, { enabled: true, priority: 'normal' });
  const ha = await call('getHa');
  const sight = ha.vms.find((vm) => vm.id === id);
  assert.is(sight?.state, 'given');
  assert.is(sight?.host?.id, (await get(id)).host?.id);
  assert.is(ha.vms[0]?.priority, 1000, 'the engine’s own VM is the first');
  assert.is(ha.admission.answer, 'yes');
  const plain = await create('plain', { ha: { enabled: false } });
  assert.is(assignment(plain), undefined);
  assert.is((await get(plain)).state, 'running');
});

test('its host loses power: it runs on another one within a second, and an event says why', async () => {
  const id = await create('web01', { ha: { priority: 'high' } });
  const lost = await hostOf(id);
  lost.powered = false;
  const begun = performance.now();
  const host = await eventually(
    'it to run on another host',
    () =>
      engine.world.hosts.find(
        ({ id: other, kept }) =>
          other !== lost.id &&
          [...kept.vms.values()].some((vm) => vm.spec.id === id && vm.state === 'running'),
      ),
    { everyMs: 10 },
  );
  const tookMs = performance.now() - begun;
  assert.is.not(host.id, lost.id);
  assert.ok(tookMs < 3_000, `${tookMs} ms`);
  const vm = await eventually('it to be shown there', async () => {
    const now = await get(id);
    return now.state === 'running' && now.host?.id === host.id && now;
  });
  assert.is(vm.reason, '');
  const told = await eventually('the event', async () =>
    (await events()).find(({ code }) => code === 'vm.restarted'),
  );
  assert.is(
    told.message,
    `web01 was restarted on ${host.options.name} because ${lost.options.name} is lost.`,
  );
  const ha = await eventually('it to be shown as fenced', async () => {
    const now = await call('getHa');
    return now.hosts.find(({ id: each }) => each === lost.id)?.state === 'fenced' && now;
  });
  assert.match(ha.hosts.find(({ id: each }) => each === lost.id)?.why ?? '', 'can write nothing');
  assert.match(
    (await call('listHaTimeline')).items.map(({ text }) => text).join('\n'),
    `${lost.options.name} is cut off from the storage`,
  );
  lost.powered = true;
  await eventually('it to belong to the cluster again', async () =>
    (await call('getHa')).hosts.every(({ state }) => state === 'online'),
  );
  assert.is((await get(id)).host?.id, host.id);
});

test('what HA told becomes an event once, also when the engine is restarted', async () => {
  const id = await create('web01');
  const lost = await hostOf(id);
  lost.powered = false;
  const fences = async () =>
    (await events()).filter(({ code, message }) => code === 'ha.host' && message.includes('is cut off'));
  await eventually('the event', async () => (await fences()).length === 1);
  engine = await engine.restart();
  await eventually('the timeline', async () => (await call('listHaTimeline')).total > 0);
  lost.powered = true;
  await eventually('the last event', async () =>
    (await events()).some(({ message }) => message.endsWith('belongs to the cluster again.')),
  );
  assert.is((await fences()).length, 1);
});

test('a guest that ends by itself stays off, and runs again when it is started', async () => {
  const id = await create('web01');
  const host = await hostOf(id);
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
  assert.ok((await events()).some(({ message }) => message === 'web01 stopped. Its guest shut down.'));
  await eventually('nobody to have it', () => assignment(id) === undefined);
  assert.is((await act('startVm', id)).state, 'done');
  assert.is((await get(id)).state, 'running');
});

test('a VM that only crashed is started again where it was', async () => {
  const id = await create('web01');
  const host = await hostOf(id);
  const vm = [...host.kept.vms.values()].find(({ spec }) => spec.id === id);
  if (vm?.ha === undefined) throw new Error('HA has not started it');
  const before = vm.startedAt;
  vm.ha.ended = { how: 'crashed', atMs: performance.now() };
  vm.state = 'crashed';
  await eventually('it to run again', async () => {
    const now = [...host.kept.vms.values()].find(({ spec }) => spec.id === id);
    return now?.state === 'running' && now.startedAt !== before;
  });
  assert.is((await hostOf(id)).id, host.id);
});

test('a change of what it is made of reaches HA’s records, and does not start what is off', async () => {
  const id = await create('web01');
  await call('updateVm', { params: { id }, body: { memoryMiB: 1024, ha: { priority: 'high' } } });
  const record = () => JSON.parse(engine.world.etcd.get(haKeys.vm(id)) ?? '{}');
  await eventually('the record', () => record().memoryMiB === 1024 && record().priority === 750);
  assert.is(JSON.parse(engine.world.etcd.get(haKeys.spec(id)) ?? '{}').spec.memoryMiB, 1024);
  const { generation } = record();
  assert.is((await act('stopVm', id)).state, 'done');
  await call('updateVm', { params: { id }, body: { memoryMiB: 256 } });
  assert.is((await get(id)).state, 'off');
  assert.equal([record().wanted, record().generation], ['stopped', generation]);
});

test('HA is turned on and off only while it is off', async () => {
  const id = await create('web01');
  const error = await refused(call('updateVm', { params: { id }, body: { ha: { enabled: false } } }));
  assert.is(error.code, 'vm.ha-needs-off');
  assert.is(error.message, 'HA of web01 can be turned off only while it is off.');
  await act('shutdownVm', id);
  await call('updateVm', { params: { id }, body: { ha: { enabled: false } } });
  await eventually('HA to know nothing of it', () => engine.world.etcd.get(haKeys.vm(id)) === undefined);
  await act('startVm', id);
  assert.is((await get(id)).state, 'running');
  assert.is(assignment(id), undefined);
});

test('an HA VM that starts on no host fails with a reason, and is wanted no more', async () => {
  const id = await create('web01', { start: false });
  const files = engine.world.volumes.get('data')?.files;
  for (const path of files?.keys() ?? []) if (path.startsWith('disks/')) files?.delete(path);
  const job = await act('startVm', id);
  assert.is(job.state, 'failed');
  assert.match(job.error?.message ?? '', 'It did not stay up on any of host1, host2, host3.');
  assert.is((await get(id)).state, 'off');
  assert.is(assignment(id), undefined);
});

test('who watches is told the whole state when it changes', async () => {
  const stop = new AbortController();
  const answer = await engine.fetch('/api/v1/events', {
    headers: { accept: 'text/event-stream', authorization: `Bearer ${engine.token}` },
    signal: stop.signal,
  });
  const states: HaState[] = [];
  const reading = (async () => {
    const decoder = new TextDecoder();
    let rest = '';
    const reader = answer.body?.getReader();
    for (;;) {
      const { done, value } = (await reader?.read()) ?? { done: true, value: undefined };
      if (done) return;
      const lines = `${rest}${decoder.decode(value, { stream: true })}`.split('\n');
      rest = lines.pop() ?? '';
      for (const line of lines) {
        if (!line.startsWith('data: ')) continue;
        const message = liveMessageSchema.parse(JSON.parse(line.slice(6)));
        if (message.kind === 'ha') states.push(message.ha);
      }
    }
  })();
  const id = await create('web01');
  await eventually('the VM among those of HA', () =>
    states.at(-1)?.vms.some((vm) => vm.id === id && vm.state === 'given'),
  );
  (await hostOf(id)).powered = false;
  await eventually('the fence', () => states.at(-1)?.hosts.some(({ state }) => state === 'fenced'));
  stop.abort();
  await engine.stop();
  await reading.catch(() => {});
});

test('a record that cannot be read is named, and the rest goes on', async () => {
  const id = await create('web01');
  engine.world.etcd.set(haKeys.proof('f', 'x', 'storage'), JSON.stringify({ v: 2 }));
  const ha = await eventually('it to be named', async () => {
    const now = await call('getHa');
    return now.unreadable.length > 0 && now;
  });
  assert.match(ha.unreadable[0]?.reason ?? '', 'newer version (2)');
  assert.is((await act('stopVm', id)).state, 'done');
});

test('a person confirms that a host is off: only by its name, only while it is waited for a proof', async () => {
  const [one, other] = engine.world.hosts;
  if (one === undefined || other === undefined) throw new Error('no hosts');
  const confirm = (name: string) => call('confirmHostOff', { params: { id: one.id }, body: { name } });
  assert.is((await refused(confirm('host2'))).code, 'ha.wrong-name');
  const error = await refused(confirm('host1'));
  assert.is(error.code, 'ha.not-fencing');
  assert.is(error.message, 'It is not waited for a proof that host1 is off: it is online.');
  // From here on the test plays the hosts' HA.
  engine.agents.stop();
  const fence = { v: 1, id: 'f1', host: one.id, phase: 'fencing', why: 'most hosts have not heard it' };
  engine.world.etcd.set(haKeys.fence(one.id), JSON.stringify(fence));
  await eventually('it to be fenced', async () =>
    (await call('getHa')).hosts.some(({ canConfirmOff }) => canConfirmOff),
  );
  await confirm('host1');
  const proofs = engine.world.etcd.withPrefix(haKeys.proof('f1', '', '').split('/').slice(0, -1).join('/'));
  assert.is(proofs.length, 1);
  const proof = JSON.parse(proofs[0]?.[1].value ?? '{}');
  assert.is(proof.kind, 'person');
  assert.is(proof.says, 'admin says that host1 is off.');
  assert.is.not(proof.by, one.id);
  assert.ok((await events()).some(({ code, user }) => code === 'ha.confirmed-off' && user === 'admin'));
});

test('a host that comes back still running an old copy, while it is refused the storage, is no double run', async () => {
  const id = await create('web01');
  const host = await hostOf(id);
  const [other] = engine.world.hosts.filter((each) => each !== host);
  if (other === undefined) throw new Error('no other host');
  engine.agents.stop();
  const copy = [...host.kept.vms.values()].find(({ spec }) => spec.id === id);
  if (copy === undefined) throw new Error('it does not run');
  const fence = { v: 1, id: 'f1', host: other.id, phase: 'fenced', why: 'lost', proof: 'refused' };
  engine.world.etcd.set(haKeys.fence(other.id), JSON.stringify(fence));
  const { engine: inner } = engine;
  other.kept.vms.set(copy.spec.id, { ...copy, spec: copy.spec });
  const status = {
    id: copy.spec.id,
    name: 'web01',
    state: 'running',
    reason: '',
    generation: 1,
    power: 'running',
    cpus: 1,
    memoryMiB: 512,
    role: 'user',
  } as const;
  other.events.emit('event', { kind: 'vm', status });
  await eventually('the report', () => inner.hosts.get(other.id)?.picture?.vms.has(copy.spec.id) === true);
  await eventually('the fence', async () =>
    (await call('getHa')).hosts.some(({ state }) => state === 'fenced'),
  );
  assert.is((await events()).filter(({ code }) => code === 'vm.runs-twice').length, 0);
  engine.world.etcd.delete(haKeys.fence(other.id));
  other.events.emit('event', { kind: 'vm', status: { ...status, reason: 'still' } });
  await eventually('it to be flagged', async () =>
    (await events()).some(({ code }) => code === 'vm.runs-twice'),
  );
});

test.run();
