import * as assert from 'uvu/assert';
import { etcdKeys } from '../../node/contract/etcd.ts';
import { type FenceDevice, fenceDeviceSchema, fenceKeys } from '../../node/contract/fence.ts';
import { hostIdSchema } from '../../node/contract/ids.ts';
import { openFence } from '../../test/fakes/hosts/handlers-fence.ts';
import type { FakePowerDevice } from '../../test/fakes/hosts/power.ts';
import { emptyDatabase, testDatabase } from '../../test/support/database.ts';
import { endOf, formedHosts, type TestEngine, testEngine } from '../../test/support/engine.ts';
import { eventually } from '../../test/support/eventually.ts';
import { refused } from '../../test/support/refused.ts';
import { suite } from '../../test/support/suite.ts';
import type { Database } from '../db/database.ts';
import { makeLog } from '../log/log.ts';

const test = suite('fence devices, through the API', { deadlineMs: 30_000 });
let database: Database;
let engine: TestEngine;
const lines: string[] = [];
const secret = 'opensesame-4711';
const ip = '10.77.9.12';

test.before(async () => {
  database = await testDatabase();
});
test.beforeEach(async () => {
  await emptyDatabase(database);
  lines.length = 0;
  engine = await testEngine(database, await formedHosts({ more: 1 }), {
    hostsPatience: { graceMs: 500, longestWaitMs: 250 },
    log: makeLog((line: string) => lines.push(line)),
  });
  power();
});
test.afterEach(() => engine.stop());
test.after(() => database.close());

const call = ((...args) => engine.client.call(...args)) as TestEngine['client']['call'];
const host = (number: number) => {
  const found = engine.world.hosts[number - 1];
  if (found === undefined) throw new Error(`there is no host${number}`);
  return found;
};
const power = (parts: Partial<FakePowerDevice> = {}): FakePowerDevice => {
  const device: FakePowerDevice = { state: 'on', password: secret, askedBy: [], ...parts };
  engine.world.powerDevices.set(ip, device);
  return device;
};
const form = { agent: 'fence_ipmilan', options: { ip, username: 'admin' } };
const add = (body: object = {}, number = 2) =>
  call('createFenceDevice', {
    params: { id: host(number).id },
    body: { ...form, secrets: { password: secret }, ...body },
  });
const record = (id: string): FenceDevice =>
  fenceDeviceSchema.parse(JSON.parse(engine.world.etcd.get(fenceKeys.device(id)) ?? 'null'));
const opened = async (id: string, number: number) =>
  openFence(host(number), record(id)).catch((error: { code: string }) => error.code);
const sightOf = async (number: number) => {
  const found = (await call('getHa')).hosts.find(({ id }) => id === host(number).id);
  if (found === undefined) throw new Error(`HA does not know host${number}`);
  return found;
};
const everythingStored = () => JSON.stringify(engine.world.etcd.withPrefix('/'));

test('kinds of devices come with their forms, common ones first, in plain words', async () => {
  const { items } = await call('listFenceKinds');
  assert.equal(
    items.slice(0, 2).map(({ name, label, common }) => `${name} ${label} ${common}`),
    ['fence_ipmilan IPMI (most servers) true', 'fence_redfish Redfish (newer servers) true'],
  );
  const password = items[0]?.parameters.find(({ name }) => name === 'password');
  assert.is(password?.type, 'secret');
  assert.ok(items.every(({ common }, at) => common || items.slice(at).every((later) => !later.common)));
});

test('a device is added: every host can open its secret, and nobody else sees it', async () => {
  const device = await add();
  assert.equal([device.secrets, device.label, device.lacking], [['password'], 'IPMI (most servers)', []]);
  for (const number of [1, 2, 3]) assert.equal(await opened(device.id, number), { password: secret });
  assert.not.match(everythingStored(), secret);
  const told = JSON.stringify([
    await call('getHa'),
    await call('listFenceDevices', { params: { id: host(2).id } }),
    await call('listEvents'),
    device,
  ]);
  assert.not.match(told, secret);
  assert.ok(lines.length > 0);
  assert.not.match(lines.join('\n'), secret);
  const { items } = await call('listEvents');
  assert.ok(
    items.some(
      ({ message }) => message === `admin added a fence device to host2: IPMI (most servers) at ${ip}.`,
    ),
  );
});

test('a test asks from each host that would use it, and says the state; nothing is kept', async () => {
  const device = power();
  const params = { id: host(2).id };
  const body = { ...form, secrets: { password: secret } };
  const tested = await call('testFenceDevice', { params, body });
  assert.equal(
    [tested.ok, tested.says],
    [true, 'Status now says: on. All 2 hosts that would use it reach it.'],
  );
  assert.equal(device.askedBy, [host(1).id, host(3).id]);
  assert.is(engine.world.etcd.withPrefix(fenceKeys.devices).length, 0);

  device.hiddenFrom = new Set([host(3).id]);
  const partly = await call('testFenceDevice', { params, body });
  assert.equal([partly.ok, partly.says], [false, 'Status now says: on. But host3 did not get that answer.']);
  assert.match(partly.answers.find(({ host }) => host.name === 'host3')?.says ?? '', 'Nothing answers');

  power({ state: 'off' });
  const other = await call('testFenceDevice', { params, body });
  assert.is(other.ok, false);
  assert.match(other.says, 'this is not the power of host2');
});

test('a wrong password is tried by one host only: devices lock users out', async () => {
  const device = power();
  const tested = await call('testFenceDevice', {
    params: { id: host(2).id },
    body: { ...form, secrets: { password: 'guess' } },
  });
  assert.is(tested.says, 'The device refused the user or the password.');
  assert.is(device.askedBy.length, 1);
  assert.match(tested.answers[1]?.says ?? '', 'may lock the user out');
});

test('what the agent does not ask for is refused, and nothing is kept', async () => {
  assert.is((await refused(add({ secrets: {}, options: { username: 'x' } }))).code, 'fence.option-refused');
  assert.is((await refused(add({ options: { ip, password: secret } }))).code, 'fence.option-refused');
  assert.is((await refused(add({ options: { ip, ssh_options: '-o x' } }))).code, 'fence.option-refused');
  assert.is((await refused(add({ agent: 'fence_nothing' }))).code, 'fence.agent-missing');
  assert.is((await refused(add({ agent: '../../bin/sh' }))).code, 'request.invalid');
  assert.is(engine.world.etcd.withPrefix(fenceKeys.devices).length, 0);
});

test('one power belongs to one host', async () => {
  await add();
  const foreign = await refused(add({}, 3));
  assert.is(foreign.code, 'fence.of-other-host');
  assert.match(foreign.message, 'it would switch off host2 instead');
  assert.is((await refused(add({ agent: 'fence_ilo4' }, 3))).code, 'fence.of-other-host', 'by another way');
  assert.is((await refused(add())).code, 'fence.already-there');
  await add({ agent: 'fence_ilo4', order: 1 });
});

test('a change without the password keeps it; with a new address it must be typed again', async () => {
  const { id } = await add();
  const params = { id: host(2).id, device: record(id).id };
  const kept = await call('updateFenceDevice', {
    params,
    body: { ...form, options: { ...form.options, username: 'root' }, order: 3 },
  });
  assert.equal([kept.options['username'], kept.order, record(id).generation], ['root', 3, 2]);
  assert.equal(await opened(id, 3), { password: secret });
  const elsewhere = { ...form, options: { ...form.options, ip: '10.77.9.99' } };
  assert.is(
    (await refused(call('updateFenceDevice', { params, body: elsewhere }))).code,
    'fence.secret-needed',
  );
  const sent = await refused(
    call('testFenceDevice', { params, body: { ...elsewhere, device: params.device } }),
  );
  assert.is(sent.code, 'fence.secret-needed', 'a test does not send it there either');
  await call('updateFenceDevice', { params, body: { ...elsewhere, secrets: { password: 'newer' } } });
  for (const number of [1, 3]) assert.equal(await opened(id, number), { password: 'newer' });
  const test = await call('testFenceDevice', {
    params,
    body: { ...elsewhere, device: params.device },
  });
  assert.is(test.ok, true, test.says);
  const other = await refused(call('updateFenceDevice', { params, body: { ...form, agent: 'fence_ilo4' } }));
  assert.is(other.code, 'fence.other-agent');
  await call('updateFenceDevice', { params, body: { ...elsewhere, secrets: { password: '' } } });
  assert.equal(record(id).secrets, { names: [], copies: {} });
});

test('a host that was away when the password was typed gets its copy from another one when it is back', async () => {
  host(3).powered = false;
  await eventually('it to be lost', async () =>
    (await call('listHosts')).items.some(({ state }) => state === 'unreachable'),
  );
  const device = await add();
  assert.equal(
    device.lacking.map(({ name }) => name),
    ['host3'],
  );
  assert.is(await opened(device.id, 3), 'fence.needs-sealing');
  host(3).powered = true;
  await eventually('its copy', async () => typeof (await opened(device.id, 3)) === 'object');
  assert.equal(await opened(device.id, 3), { password: secret });
  assert.equal(await opened(device.id, 1), { password: secret }, 'the others keep theirs');
  await eventually('the overview', async () => (await sightOf(2)).fenceDevices[0]?.lacking.length === 0);
});

test('a host that is added gets the passwords without anybody typing them', async () => {
  const device = await add();
  const joined = host(4);
  const { jobId } = await call('addHost', {
    body: { id: joined.id, address: joined.options.address, name: 'host4', code: joined.code },
  });
  assert.is((await endOf(engine.client, jobId)).state, 'done');
  await eventually('its copy', async () => typeof (await opened(device.id, 4)) === 'object');
  assert.equal(await opened(device.id, 4), { password: secret });
  assert.not.match(lines.join('\n'), secret);
});

test('a host that was reinstalled has another key: its copy is sealed anew, as if it had none', async () => {
  const device = await add();
  const before = record(device.id);
  const copy = before.secrets.copies[host(3).id];
  const copies = { ...before.secrets.copies, [host(3).id]: { ...copy, key: '0'.repeat(64) } };
  engine.world.etcd.set(
    fenceKeys.device(device.id),
    JSON.stringify({ ...before, secrets: { ...before.secrets, copies } }),
  );
  await eventually('it to be seen', async () =>
    (await sightOf(2)).fenceDevices[0]?.lacking.some(({ name }) => name === 'host3'),
  );
  engine = await engine.restart();
  await eventually('its copy', async () => typeof (await opened(device.id, 3)) === 'object');
  assert.ok(record(device.id).generation > before.generation, 'the device is asked anew');
});

test('a device whose sealed password is damaged does not keep others from spreading', async () => {
  const [damaged, sound] = [await add(), await add({ options: { ip: '10.77.9.13' } }, 1)];
  const without = (id: string, damage: boolean) => {
    const before = record(id);
    const copies = Object.entries(before.secrets.copies)
      .filter(([host3]) => host3 !== host(3).id)
      .map(([id, copy]) => [id, damage ? { ...copy, sealed: copy.ephemeral } : copy]);
    const secrets = { ...before.secrets, copies: Object.fromEntries(copies) };
    engine.world.etcd.set(fenceKeys.device(id), JSON.stringify({ ...before, secrets }));
  };
  without(damaged.id, true);
  without(sound.id, false);
  engine = await engine.restart();
  await eventually('its copy', async () => typeof (await opened(sound.id, 3)) === 'object');
  assert.is(await opened(damaged.id, 3), 'fence.needs-sealing');
  assert.is(await opened(damaged.id, 1), 'fence.secrets-damaged');
});

test('when nobody has the password, it has to be typed again', async () => {
  const device = await add();
  const before = record(device.id);
  engine.world.etcd.set(
    fenceKeys.device(device.id),
    JSON.stringify({ ...before, secrets: { ...before.secrets, copies: {} } }),
  );
  const params = { id: host(2).id, device: before.id };
  const error = await refused(call('updateFenceDevice', { params, body: form }));
  assert.equal([error.code, error.remedy], ['fence.secret-needed', 'Enter the password again.']);
  await call('updateFenceDevice', { params, body: { ...form, secrets: { password: secret } } });
  assert.equal(await opened(device.id, 1), { password: secret });
});

test('the hourly answer is shown, and an event says once that a device went silent', async () => {
  const device = power();
  await add();
  const sight = await eventually('its first answer', async () => {
    const [one] = (await sightOf(2)).fenceDevices;
    return one?.state === 'on' && one;
  });
  assert.match(sight.says, /^It answers host[13]: the power is on\.$/);
  assert.match((await sightOf(2)).proofsSay, 'or its fence device switches it off.');
  device.dead = true;
  await engine.agents.askAll();
  await engine.agents.askAll();
  const silent = await eventually('its silence', async () => {
    const [one] = (await sightOf(2)).fenceDevices;
    return one?.state === 'failed' && one;
  });
  assert.match(silent.says, /^It does not answer host[13]: Nothing answers at 10\.77\.9\.12\.$/);
  assert.ok(silent.since !== undefined && sight.since !== undefined && silent.since > sight.since);
  assert.match((await sightOf(2)).proofsSay, 'Its fence device does not answer.');
  const about = async () =>
    (await call('listEvents')).items.filter(({ message }) => message.includes('does not answer'));
  await eventually('the event', async () => (await about()).length > 0);
  assert.equal(
    (await about()).map(({ severity, subject }) => `${severity} ${subject?.name}`),
    ['warning host2'],
  );
  const problem = await eventually('the overview', async () =>
    (await call('getOverview')).problems.find(({ code }) => code === 'fence.failed'),
  );
  assert.match(problem.message, 'The fence device of host2');
  device.dead = false;
  await engine.agents.askAll();
  await eventually('the good news', async () =>
    (await call('listEvents')).items.some(({ message }) => message.endsWith('answers again.')),
  );
});

test('a device is deleted with its secrets and what was heard of it', async () => {
  const device = await add();
  const params = { id: host(2).id, device: record(device.id).id };
  await eventually('its answer', () => engine.world.etcd.get(fenceKeys.health(device.id)));
  const wrong = { id: host(1).id, device: params.device };
  assert.is((await refused(call('deleteFenceDevice', { params: wrong }))).code, 'fence.missing');
  await call('deleteFenceDevice', { params });
  assert.is(engine.world.etcd.withPrefix(fenceKeys.devices).length, 0);
  assert.is(engine.world.etcd.get(fenceKeys.health(device.id)), undefined);
  assert.is((await refused(call('deleteFenceDevice', { params }))).code, 'fence.missing');
});

test('a record that cannot be read is named with what to do, the rest goes on, and it can be taken away', async () => {
  await add();
  const bad = '77777777-7777-4777-8777-777777777777';
  engine.world.etcd.set(fenceKeys.device(bad), '{"v":1,"host":"me"}');
  const ha = await eventually('it to be named', async () => {
    const now = await call('getHa');
    return now.unreadable.length > 0 && now;
  });
  assert.is(ha.unreadable[0]?.key, fenceKeys.device(bad));
  assert.match(ha.unreadable[0]?.remedy ?? '', `trefoil fence delete HOST ${bad}`);
  assert.is((await sightOf(2)).fenceDevices.length, 1);
  await add({ options: { ip: '10.77.9.13' } }, 3);
  const params = { id: host(2).id, device: fenceDeviceSchema.shape.id.parse(bad) };
  await call('deleteFenceDevice', { params });
  await eventually('it to be gone', async () => (await call('getHa')).unreadable.length === 0);
});

test('a store that does not answer refuses, and no half of a device is there', async () => {
  const unknown = hostIdSchema.parse('99999999-9999-4999-8999-999999999999');
  assert.is((await refused(call('listFenceDevices', { params: { id: unknown } }))).code, 'host.missing');
  for (const each of engine.world.hosts)
    each.faults.sealFenceSecrets = {
      kind: 'refuse',
      error: { code: 'host.busy', family: 'unavailable', message: 'Not now.' },
    };
  assert.is((await refused(add())).code, 'host.busy');
  assert.is(engine.world.etcd.withPrefix(fenceKeys.devices).length, 0);
  assert.ok(engine.world.etcd.withPrefix(etcdKeys.hosts).length === 3);
});

test.run();
