import { argv } from 'node:process';
import type { EngineSeed } from '../../../engine/contract/seed.ts';
import type { HostId, ImageId } from '../../../node/contract/ids.ts';
import { serveHost } from '../../fakes/hosts/serve.ts';
import { formedHosts, seedOf } from '../../support/engine.ts';
import { fakeVmOf, vmOf } from './sizes.ts';

/** The simulated hosts, in a process of their own: what they do must not delay who measures. */
export type HostsReady = {
  seed: EngineSeed;
  tls: { certificate: string; key: string; ca: string };
  hosts: HostId[];
  imageId: ImageId;
};

const [, , vmCount = '0'] = argv;
const addressOf = (index: number) => `127.78.0.${11 + index}`;

const formed = await formedHosts();
const { world, ca } = formed;
// What is measured has no HA: the engine reaches no store.
formed.agents.stop();
const hosts = world.hosts.map(({ id }) => id);
const imageId = world.volumes.get('data')?.images[0]?.id;
if (imageId === undefined) throw new Error('the simulated cluster has no image');
for (let index = 0; index < Number(vmCount); index++) {
  const record = vmOf(index, hosts, imageId);
  const host = world.hosts.find(({ id }) => id === record.hostId);
  host?.kept.vms.set(record.id, fakeVmOf(record));
}
for (const [index, host] of world.hosts.entries())
  await serveHost(world, host, {
    ca: ca.certificate,
    ...(await ca.issue({ id: host.id, role: 'host', addresses: [addressOf(index)] })),
    address: addressOf(index),
    port: 7440,
    eventsEveryMs: 5_000,
  });
const own = await ca.issue({ role: 'engine', addresses: ['127.0.0.1'] });
const seed = await seedOf(formed);
const ready: HostsReady = {
  seed: {
    ...seed,
    tls: { certificate: own.certificate, key: own.key, caCertificate: ca.certificate },
    hosts: seed.hosts.map((host, index) => ({ ...host, address: addressOf(index) })),
    etcd: { endpoints: ['https://127.0.0.1:1'] },
  },
  tls: { ...own, ca: ca.certificate },
  hosts,
  imageId,
};
process.send?.(ready);
process.on('disconnect', () => process.exit(0));
