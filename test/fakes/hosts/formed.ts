import { randomUUID } from 'node:crypto';
import { vmIdSchema } from '../../../node/contract/ids.ts';
import { certificateRequest } from '../../../node/identity/certificate.ts';
import type { TestCa } from '../../support/certificates.ts';
import { clientOf } from './dispatch.ts';
import { joinHost } from './handlers-pairing.ts';
import { addImage } from './handlers-storage.ts';
import type { FakeWorld } from './model.ts';

export type FormedWorld = {
  clusterId: string;
  clusterName: string;
  hosts: { id: string; name: string; address: string; storageAddress: string }[];
  engineVmId: string;
};

/**
 * Takes a world of three or more fresh hosts to where formation leaves a real cluster (without the installer): joined
 * with certificates of `ca`, networks, volumes `engine` and `data` mounted everywhere, an image, the engine's VM running
 * on the first host. For the engine's own tests and for working on the page without root.
 */
export async function formWorld(
  world: FakeWorld,
  ca: TestCa,
  clusterName = 'practice',
): Promise<FormedWorld> {
  const clusterId = randomUUID();
  const storageAddress = (index: number) => `10.77.1.${11 + index}`;
  for (const [index, host] of world.hosts.entries()) {
    const csr = await certificateRequest(host.id, host.keys);
    const addresses = [host.options.address, storageAddress(index), '127.0.0.1'];
    joinHost(world, host, {
      clusterId,
      clusterName,
      hostName: host.options.name,
      certificate: await ca.sign(csr, { id: host.id, role: 'host', addresses }),
      caCertificate: ca.certificate,
    });
    const client = clientOf(world, host, 'installer');
    await client.call('putNetwork', {
      body: {
        generation: 1,
        networks: [
          { name: 'mgmt', nic: 'mgmt0', bridge: true, addressing: { kind: 'dhcp' } },
          {
            name: 'storage',
            nic: 'stor0',
            bridge: false,
            addressing: { kind: 'static', address: `${storageAddress(index)}/24` },
          },
        ],
      },
    });
    await client.call('confirmNetwork', { body: { generation: 1 } });
    const serial = host.options.disks?.find((disk) => disk.use === 'free')?.serial ?? '';
    await client.call('putBrick', {
      params: { name: 'disk1' },
      body: { generation: 1, place: { kind: 'disk', serial } },
    });
  }
  const clients = world.hosts.map((host) => clientOf(world, host, 'installer'));
  const [first] = clients;
  const [firstHost] = world.hosts;
  if (first === undefined || firstHost === undefined) throw new Error('a cluster needs a host');
  const all = world.hosts.map((_, index) => storageAddress(index));
  for (const [index, client] of clients.entries())
    await client.call('putPeers', { body: { addresses: all.slice(index, index + 1) } });
  await first.call('putPeers', { body: { addresses: all } });
  for (const name of ['engine', 'data']) {
    const brickHosts = all.length >= 3 ? all.slice(0, 3) : all.slice(0, 1);
    await first.call('putVolume', {
      params: { name },
      body: {
        generation: 1,
        layout: { kind: brickHosts.length === 3 ? 'replica-3' : 'single' },
        bricks: brickHosts.map((address) => ({ address, path: `/var/lib/trefoil/bricks/disk1/${name}` })),
        allowedAddresses: all,
      },
    });
    for (const client of clients)
      await client.call('putMount', { params: { name }, body: { generation: 1, servers: all } });
  }
  addImage(world, firstHost, {
    id: randomUUID(),
    name: 'Practice image',
    volume: 'data',
    format: 'qcow2',
    sizeMiB: 512,
  });
  const engineVmId = vmIdSchema.parse(randomUUID());
  const pace = world.pace;
  world.pace = 0;
  await first.call('putDiskFile', {
    body: {
      id: randomUUID(),
      volume: 'engine',
      path: 'engine/os.raw',
      format: 'raw',
      sizeMiB: 4096,
      from: { kind: 'engine-image' },
    },
  });
  await first.call('putVm', {
    params: { id: engineVmId },
    body: {
      generation: 1,
      power: 'running',
      spec: {
        id: engineVmId,
        name: 'engine',
        cpus: 2,
        memoryMiB: 2048,
        disks: [{ serial: 'trefoil-os', volume: 'engine', path: 'engine/os.raw', format: 'raw' }],
        nics: [{ mac: '52:54:00:00:00:01', network: 'mgmt' }],
        role: 'engine',
      },
    },
  });
  world.pace = pace;
  return {
    clusterId,
    clusterName,
    engineVmId,
    hosts: world.hosts.map((host, index) => ({
      id: host.id,
      name: host.options.name,
      address: host.options.address,
      storageAddress: storageAddress(index),
    })),
  };
}
