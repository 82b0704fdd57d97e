import { type EngineSeed, engineSeedSchema, seedDiskBytes } from '../../engine/contract/seed.ts';

/** A complete seed for tests. */
export function sampleSeed(change: Partial<EngineSeed> = {}): EngineSeed {
  return engineSeedSchema.parse({
    format: 1,
    generation: 1,
    cluster: { id: '3f0a1c1e-0d5e-4a67-8a4c-5f1f6b9e8f11', name: 'lab' },
    network: { address: '10.0.2.100/24', gateway: '10.0.2.2', dns: ['10.0.2.3'], hostName: 'engine' },
    tls: { caCertificate: 'CA\n', certificate: 'CERTIFICATE\n', key: 'KEY\n' },
    admin: { name: 'admin', passwordHash: 'scrypt$16384$8$1$c2FsdA$aGFzaA' },
    hosts: [
      {
        id: '5f0a1c1e-0d5e-4a67-8a4c-5f1f6b9e8f11',
        name: 'host1',
        address: '10.77.0.11',
        storageAddress: '10.77.1.11',
      },
    ],
    etcd: { endpoints: ['https://10.77.0.11:2379'] },
    timeServers: ['10.77.0.11'],
    networks: [{ name: 'management', bridge: 'br-mgmt' }],
    volumes: [{ name: 'engine', forVms: false }],
    ...change,
  });
}

export function seedDisk(seed: EngineSeed): Buffer {
  const disk = Buffer.alloc(seedDiskBytes);
  disk.write(JSON.stringify(seed));
  return disk;
}
