import { randomBytes, randomUUID } from 'node:crypto';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Duplex } from 'node:stream';
import type { EngineSeed } from '../../engine/contract/seed.ts';
import { hashPassword } from '../../engine/users/password.ts';
import { startFakeEtcd } from '../fakes/etcd/gateway.ts';
import { addImage } from '../fakes/hosts/handlers-storage.ts';
import { type FakeWorld, type HostOptions, makeFakeHost } from '../fakes/hosts/model.ts';
import { type ServedHost, serveHost } from '../fakes/hosts/serve.ts';
import { formedHosts, seedOf } from '../support/engine.ts';
import { serveScreen } from './screen.ts';

/** What test/dev/engine.ts is told; written by test/dev/main.ts, read again at each restart of the engine. */
export type DevPlan = {
  seed: EngineSeed;
  identity: { ca: string; certificate: string; key: string };
  /** host id -> port on loopback */
  ports: Record<string, number>;
  /** URLs of the simulated hosts' etcd */
  etcd: readonly string[];
  port: number;
  databaseDirectory: string;
};

export type DevWorld = {
  world: FakeWorld;
  plan: DevPlan;
  planFile: string;
  password: string;
  askFenceDevices(): Promise<void>;
  /** the hosts stop answering */
  close(): Promise<void>;
};

const images: ReadonlyArray<[string, 'raw' | 'qcow2', number]> = [
  ['Debian 13 cloud', 'qcow2', 620],
  ['Ubuntu 26.04 cloud', 'qcow2', 740],
  ['Rocky Linux 10', 'qcow2', 1100],
];
const newcomer: HostOptions = {
  name: 'trefoil-8f3a',
  address: '10.77.0.14',
  code: '7K3MWXYZ',
  threads: 16,
  memoryMiB: 65_536,
};

const easyPassword = (): string => {
  const letters = 'abcdefghjkmnpqrstuvwxyz23456789';
  return [...randomBytes(12)].map((byte) => letters[byte % letters.length]).join('');
};

/** Three simulated hosts and one to be found, behind real mTLS on loopback, with screens; and all the engine needs. */
export async function makeDevWorld(
  directory: string,
  port: number,
  screen: (name: string, socket: Duplex) => void = serveScreen,
): Promise<DevWorld> {
  const formed = await formedHosts();
  const { world, ca } = formed;
  world.hosts.push(await makeFakeHost(newcomer, world.now()));
  const [first] = world.hosts;
  if (first === undefined) throw new Error('no host');
  for (const [name, format, sizeMiB] of images)
    addImage(world, first, { id: randomUUID(), name, volume: 'data', format, sizeMiB });

  const ports: Record<string, number> = {};
  const all: ServedHost[] = [];
  for (const host of world.hosts) {
    const served: ServedHost = await serveHost(world, host, {
      ca: ca.certificate,
      ...(await ca.issue({ id: host.id, role: 'host', addresses: ['127.0.0.1'] })),
      eventsEveryMs: 2_000,
      onConsole: (_, vm, socket) => screen(vm.spec.name, socket),
    });
    ports[host.id] = served.port;
    all.push(served);
  }
  const etcd = await startFakeEtcd(1, world.etcd.store);
  const password = easyPassword();
  const seed = await seedOf(formed);
  const own = await ca.issue({ role: 'engine', addresses: ['127.0.0.1'] });
  const plan: DevPlan = {
    seed: { ...seed, admin: { name: 'admin', passwordHash: await hashPassword(password) } },
    identity: { ca: ca.certificate, ...own },
    ports,
    etcd: etcd.urls,
    port,
    databaseDirectory: join(directory, 'database'),
  };
  rmSync(directory, { recursive: true, force: true });
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  const planFile = join(directory, 'plan.json');
  writeFileSync(planFile, JSON.stringify(plan), { mode: 0o600 });
  // From now on things take about as long as they do on real hosts.
  world.pace = 1;
  const close = async () => {
    await Promise.all(all.map((served) => served.close()));
    formed.agents.stop();
    await etcd.stop();
  };
  return { world, plan, planFile, password, askFenceDevices: formed.agents.askAll, close };
}
