import { randomUUID } from 'node:crypto';
import { request } from 'node:https';
import * as assert from 'uvu/assert';
import { AppError } from '../../../node/contract/error.ts';
import { vmIdSchema } from '../../../node/contract/ids.ts';
import { privateKeyToPem } from '../../../node/identity/certificate.ts';
import { makeTestCa } from '../../support/certificates.ts';
import { eventually } from '../../support/eventually.ts';
import { suite } from '../../support/suite.ts';
import { clientOf } from './dispatch.ts';
import { formWorld } from './formed.ts';
import { type FakeWorld, hostById, makeFakeWorld } from './model.ts';
import { serveHost } from './serve.ts';

const test = suite('simulated hosts');
const three = () => makeFakeWorld([1, 2, 3].map((n) => ({ name: `host${n}`, address: `10.77.0.${10 + n}` })));
const client = (world: FakeWorld, index: number) => {
  const host = world.hosts[index];
  if (host === undefined) throw new Error('no such host');
  return clientOf(world, host, 'engine');
};

test('a formed world runs, migrates and stops a VM', async () => {
  const world = await three();
  const formed = await formWorld(world, await makeTestCa());
  const id = vmIdSchema.parse(randomUUID());
  await client(world, 0).call('putDiskFile', {
    body: { id: randomUUID(), volume: 'data', path: 'disks/a.qcow2', format: 'qcow2', sizeMiB: 100 },
  });
  const spec = {
    id,
    name: 'web01',
    cpus: 1,
    memoryMiB: 256,
    disks: [{ serial: 'a', volume: 'data', path: 'disks/a.qcow2', format: 'qcow2' as const }],
    nics: [{ mac: '52:54:00:00:00:02', network: 'mgmt' }],
  };
  const put = await client(world, 0).call('putVm', {
    params: { id },
    body: { generation: 1, spec, power: 'running' },
  });
  assert.is(put.state, 'running');
  const target = formed.hosts[1];
  const task = await client(world, 0).call('migrateVm', {
    params: { id },
    body: { targetHostId: target?.id ?? '', targetAddress: target?.address ?? '' },
  });
  assert.is((await client(world, 0).call('getTask', { params: { id: task.id } })).state, 'done');
  assert.is((await client(world, 1).call('getVm', { params: { id } })).state, 'running');
  await client(world, 1).call('actOnVm', { params: { id }, body: { action: 'stop' } });
  await client(world, 1).call('deleteVm', { params: { id } });
  assert.is((await client(world, 1).call('getVms')).length, 0);
});

test('a lost host degrades the volumes, and is unreachable', async () => {
  const world = await three();
  const formed = await formWorld(world, await makeTestCa());
  const lost = hostById(world, formed.hosts[2]?.id ?? '');
  if (lost === undefined) throw new Error('no third host');
  lost.powered = false;
  const volumes = await client(world, 0).call('getVolumes');
  assert.equal(
    volumes.map((volume) => volume.state),
    ['degraded', 'degraded'],
  );
  const failed = await client(world, 2)
    .call('getHost')
    .catch((error) => error);
  assert.instance(failed, AppError);
});

test('over mTLS it asks for a role and streams events', async () => {
  const world = await three();
  const ca = await makeTestCa();
  await formWorld(world, ca);
  const [host] = world.hosts;
  if (host?.kept.join === undefined) throw new Error('no first host');
  const served = await serveHost(world, host, {
    ca: ca.certificate,
    certificate: host.kept.join.certificate,
    key: await privateKeyToPem(host.keys.privateKey),
  });
  const engine = await ca.issue({ role: 'engine' });
  const get = (path: string, identity: { key?: string; cert?: string }, until = '') =>
    new Promise<string>((resolve, reject) => {
      const asked = request(
        { host: served.address, port: served.port, path, ca: ca.certificate, ...identity, agent: false },
        (response) => {
          let text = '';
          response.on('data', (chunk) => {
            text += String(chunk);
            if (until !== '' && text.includes(until)) {
              asked.destroy();
              resolve(text);
            }
          });
          response.on('end', () => resolve(text));
        },
      );
      asked.on('error', reject);
      asked.end();
    });
  try {
    assert.match(await get('/pair/v1/host', {}), /"state":"joined"/);
    assert.match(await get('/v1/host', {}), /caller.unknown/);
    const identity = { key: engine.key, cert: engine.certificate };
    assert.match(await get('/v1/host', identity), /"hostName":"host1"/);
    assert.match(await get('/v1/events', identity, 'snapshot-done'), /event: vm\n/);
  } finally {
    await served.close();
  }
});

test('faults: refused, lost and hanging answers', async () => {
  const world = await three();
  const [host] = world.hosts;
  if (host === undefined) throw new Error('no first host');
  host.faults.getHost = { kind: 'refuse', times: 1 };
  const failed = await clientOf(world, host, 'installer')
    .call('getHost')
    .catch((error) => error);
  assert.is(failed.code, 'host.unreachable');
  assert.is((await clientOf(world, host, 'installer').call('getHost')).name, 'host1');
  host.faults.putTime = { kind: 'lose', times: 1 };
  const lost = await clientOf(world, host, 'installer')
    .call('putTime', { body: { servers: [], peers: [] } })
    .catch((error) => error);
  assert.is(lost.code, 'host.unreachable');
  await eventually('the time was set all the same', () => host.kept.time !== undefined);
});

test.run();
