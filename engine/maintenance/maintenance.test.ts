import * as assert from 'uvu/assert';
import { haKeys } from '../../node/contract/ha.ts';
import { hostIdSchema } from '../../node/contract/ids.ts';
import { emptyDatabase, testDatabase } from '../../test/support/database.ts';
import { endOf, formedHosts, type TestEngine, testEngine } from '../../test/support/engine.ts';
import { eventually } from '../../test/support/eventually.ts';
import { refused } from '../../test/support/refused.ts';
import { suite } from '../../test/support/suite.ts';
import { makeVm, runsOnce } from '../../test/support/vm-scenarios.ts';
import type { Database } from '../db/database.ts';

const test = suite('planned work, through the API', { deadlineMs: 40_000 });
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
const idOf = async (name: string) => {
  const host = (await call('listHosts')).items.find((each) => each.name === name);
  if (host === undefined) throw new Error(`there is no ${name}`);
  return host.id;
};
const begin = async (id: string) =>
  (await call('beginMaintenance', { params: { id }, body: { reason: 'new memory' } })).jobId;
const spared = (id: string) =>
  eventually('nothing to speak against it', async () => {
    const plan = await call('getMaintenancePlan', { params: { id } });
    return plan.against.length === 0 && plan;
  });
const marked = (id: string) => engine.world.etcd.get(haKeys.maintenance(id)) !== undefined;

test('the engine’s own VM is moved too, its host is shown in maintenance, and gets nothing more', async () => {
  const id = await idOf('host1');
  const plan = await spared(id);
  assert.ok(plan.moves.some(({ name }) => name === 'engine'));
  const job = await endOf(engine.client, await begin(id));
  assert.is(job.state, 'done', job.error?.message);
  const host = await call('getHost', { params: { id } });
  assert.equal(
    [host.maintenance?.state, host.maintenance?.reason, host.runsEngine, host.vmCount],
    ['ready', 'new memory', false, 0],
  );
  await eventually('HA to show it', async () =>
    (await call('getHa')).hosts.some((each) => each.id === id && each.state === 'maintenance'),
  );
  for (const name of ['a', 'b', 'c']) {
    const vm = await makeVm(engine, name, true, name === 'a');
    assert.is.not((await call('getVm', { params: { id: vm } })).host?.id, id);
  }
});

test('a host in maintenance that is switched off is no failure', async () => {
  const id = await idOf('host3');
  await spared(id);
  assert.is((await endOf(engine.client, await begin(id))).state, 'done');
  const machine = engine.world.hosts.find((each) => each.id === id);
  if (machine === undefined) throw new Error('it is not there');
  machine.powered = false;
  await eventually('it to be unreachable', async () => {
    const host = await call('getHost', { params: { id } });
    return host.state === 'unreachable';
  });
  const sight = (await call('getHa')).hosts.find((each) => each.id === id);
  assert.is(sight?.state, 'maintenance');
  const overview = await call('getOverview');
  assert.not.ok(overview.problems.some(({ code }) => code === 'host.unreachable'));
  assert.is(engine.world.etcd.get(haKeys.fence(id)), undefined, 'nobody fences it');
});

test('a second host is refused, with every reason at once', async () => {
  const [first, second] = [await idOf('host2'), await idOf('host3')];
  await spared(first);
  assert.is((await endOf(engine.client, await begin(first))).state, 'done');
  const error = await refused(begin(second));
  assert.is(error.code, 'host.cannot-be-spared');
  assert.match(error.message, /members of the cluster’s store would be left/);
  assert.match(error.message, /could not be written/);
  assert.match((await refused(begin(first))).message, /in maintenance already/);
  await call('endMaintenance', { params: { id: first } });
  await call('endMaintenance', { params: { id: first } });
  await spared(second);
});

test('cancelled, what has moved stays, and the host may have VMs again', async () => {
  const vms = [await makeVm(engine, 'one', true, true), await makeVm(engine, 'two', true, false)];
  const id = hostIdSchema.parse((await call('getVm', { params: { id: vms[0] ?? '' } })).host?.id);
  await spared(id);
  const jobId = await begin(id);
  await call('cancelJob', { params: { id: jobId } }).catch(() => undefined);
  const { state } = await endOf(engine.client, jobId);
  assert.ok(state === 'cancelled' || state === 'done', state);
  assert.is(marked(id), state === 'done');
  for (const vm of vms) await runsOnce(engine, vm);
});

test('while VMs are being moved away maintenance is not ended but cancelled', async () => {
  const vm = await makeVm(engine, 'slow', true, false);
  const id = hostIdSchema.parse((await call('getVm', { params: { id: vm } })).host?.id);
  await spared(id);
  engine.world.pace = 0.2;
  const jobId = await begin(id);
  await eventually('its move to begin', async () =>
    (await call('listJobs', { query: { state: 'active' } })).items.some(({ kind }) => kind === 'vm.migrate'),
  );
  assert.is((await refused(call('endMaintenance', { params: { id } }))).code, 'host.maintenance-begins');
  await call('cancelJob', { params: { id: jobId } });
  assert.is((await endOf(engine.client, jobId)).state, 'cancelled');
  assert.not.ok(marked(id));
  await runsOnce(engine, vm);
  const left = (await call('listJobs', { query: { state: 'active' } })).items;
  assert.equal(
    left.map(({ title }) => title),
    [],
    'the move that was at work has ended with it',
  );
});

test('HA is disarmed for some minutes, says so, and is armed again', async () => {
  await call('disarmHa', { body: { minutes: 30, reason: 'new switch' } });
  await eventually('it to be told', async () => {
    const { armed, disarmed, why } = await call('getHa');
    return !armed && disarmed?.minutesLeft === 30 && disarmed.reason === 'new switch' && /Disarmed/.test(why);
  });
  assert.match((await call('getHa')).admission.why, 'do not start there by themselves');
  const id = await idOf('host3');
  const machine = engine.world.hosts.find((each) => each.id === id);
  if (machine === undefined) throw new Error('it is not there');
  machine.powered = false;
  await eventually('HA to have missed it', async () =>
    (await call('getHa')).hosts.some((each) => each.id === id && each.state === 'suspect'),
  );
  assert.is(engine.world.etcd.get(haKeys.fence(id)), undefined);
  await call('armHa');
  await eventually('it to be fenced', () => engine.world.etcd.get(haKeys.fence(id)) !== undefined);
  const error = await refused(call('disarmHa', { body: { minutes: 5 } }));
  assert.is(error.code, 'ha.host-is-lost');
  const codes = (await call('listEvents')).items.map(({ code }) => code);
  assert.ok(codes.includes('ha.disarmed') && codes.includes('ha.armed'));
});

test('not for longer than a day, and not without an end', async () => {
  for (const minutes of [0, 1_441, 1.5]) {
    const error = await refused(call('disarmHa', { body: { minutes } }));
    assert.is(error.family, 'invalid');
  }
});

test.run();
