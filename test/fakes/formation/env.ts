import { createHash, X509Certificate } from 'node:crypto';
import { engineSeedSchema } from '../../../engine/contract/seed.ts';
import type { Identity } from '../../../installer/agents/exchange.ts';
import type { HostsPort, Target } from '../../../installer/agents/hosts.ts';
import { hashPassword, isPassword } from '../../../installer/answers/hash.ts';
import type { EnginePort } from '../../../installer/engine/engine.ts';
import type { StorePort } from '../../../installer/etcd/store.ts';
import { addressOf } from '../../../installer/net/ipv4.ts';
import type { FormationEnv, Progress } from '../../../installer/run/env.ts';
import { makeNodeClient, type NodeClient } from '../../../node/contract/client.ts';
import { AppError } from '../../../node/contract/error.ts';
import { haKeys, haSpecSchema, haVmSchema } from '../../../node/contract/ha.ts';
import { certificateRequest, subjectOf } from '../../../node/identity/certificate.ts';
import { clientOf, sendTo } from '../hosts/dispatch.ts';
import { announcementOf } from '../hosts/handlers-host.ts';
import { joinHost } from '../hosts/handlers-pairing.ts';
import { addImage, etcdAnswers, volumeStatusOf } from '../hosts/handlers-storage.ts';
import { type FakeHost, type FakeWorld, hostByAddress, hostById } from '../hosts/model.ts';

/** What ends the simulated installer: from then on nothing that it began comes back to it. */
export type Death = { dead: boolean };
const never = new Promise<never>(() => {});

export type FakeEnvOptions = {
  directory: string;
  death?: Death;
  checkpoint?: FormationEnv['checkpoint'];
  progress?: (event: Progress) => void;
  images?: FormationEnv['images'];
};

const unreachable = (name: string): AppError =>
  new AppError({
    code: 'host.unreachable',
    family: 'unavailable',
    message: `${name} cannot be reached.`,
    remedy: 'See whether it is switched on.',
    details: { sent: false },
  });

/** The installer's world, on simulated hosts; the first of them is `this`. Time passes only while it waits. */
export function makeFakeEnv(world: FakeWorld, options: FakeEnvOptions): FormationEnv {
  const death = options.death ?? { dead: false };
  const [first] = world.hosts;
  if (first === undefined) throw new Error('formation needs a host');
  const alive = async <T>(body: () => Promise<T> | T): Promise<T> => {
    if (death.dead) return await never;
    const result = await body();
    return death.dead ? await never : result;
  };
  const client = (host: FakeHost): NodeClient => {
    const send = sendTo(world, host, 'installer');
    return makeNodeClient((request) => alive(() => send(request)));
  };
  let waited = 0;
  let made = 0;
  const hosts: HostsPort = {
    local: client(first),
    localCsr: () =>
      alive(async () => ({ hostId: first.id, csr: await certificateRequest(first.id, first.keys) })),
    localJoin: (join) => alive(() => joinHost(world, first, join)),
    announcement: (address, name) =>
      alive(() => {
        const host = hostByAddress(world, address);
        if (host === undefined || !host.powered) throw unreachable(name);
        return announcementOf(world, host);
      }),
    remote: (target, identity) => remote(world, target, identity, client, alive),
    upload: (image) => alive(() => addImage(world, first, { ...image, sizeMiB: 64 })),
  };
  return {
    now: () => new Date(world.now().getTime() + waited),
    monotonic: () => performance.now() + waited,
    sleep: async (ms, signal) => {
      waited += ms;
      await new Promise((resolve) => setImmediate(resolve));
      signal.throwIfAborted();
      if (death.dead) await never;
    },
    uuid: () => {
      made += 1;
      const hex = createHash('sha256').update(`id ${made}`).digest('hex');
      return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-4${hex.slice(13, 16)}-a${hex.slice(17, 20)}-${hex.slice(20, 32)}`;
    },
    randomBytes: (count) => new Uint8Array(count).fill(7),
    hashPassword: (password) => hashPassword(password, new Uint8Array(8), { N: 16, r: 1, p: 1 }),
    hosts,
    store: () => storeOf(world, alive),
    engine: (address, ca) => engineOf(world, address, ca, alive),
    images: options.images ?? (async () => []),
    directory: options.directory,
    checkpoint: (step, when) => alive(async () => options.checkpoint?.(step, when)),
    progress: (event) => options.progress?.(event),
  };
}

type Alive = <T>(body: () => Promise<T> | T) => Promise<T>;

function remote(
  world: FakeWorld,
  target: Target,
  identity: Identity,
  client: (host: FakeHost) => NodeClient,
  alive: Alive,
): NodeClient {
  const reached = (): FakeHost => {
    const host = hostById(world, target.id);
    const at = target.addresses.some((address) => hostByAddress(world, address) === host);
    if (host === undefined || !host.powered || !at) throw unreachable(target.name);
    const caller = new X509Certificate(identity.certificate);
    const ca = new X509Certificate(identity.ca);
    if (host.kept.join?.caCertificate !== identity.ca)
      throw new AppError({
        code: 'host.not-ours',
        family: 'unavailable',
        message: `${target.name} does not show a certificate of this cluster.`,
        details: { sent: false },
      });
    if (!caller.verify(ca.publicKey) || subjectOf(caller)?.role !== 'installer')
      throw new AppError({ code: 'caller.unknown', family: 'denied', message: 'Who is asking?' });
    return host;
  };
  return {
    call: (name, ...args) => alive(async () => await client(reached()).call(name, ...args)),
  };
}

function storeOf(world: FakeWorld, alive: Alive): StorePort {
  const answers = () => {
    if (!etcdAnswers(world))
      throw new AppError({
        code: 'etcd.unavailable',
        family: 'unavailable',
        message: 'The cluster store does not answer.',
      });
  };
  return {
    get: (key) =>
      alive(() => {
        answers();
        return world.etcd.get(key);
      }),
    putAllOnce: (guard, entries) =>
      alive(() => {
        answers();
        if (world.etcd.has(guard)) return false;
        for (const [key, value] of entries) world.etcd.set(key, value);
        return true;
      }).then(async (written) => {
        await startWanted(world);
        return written;
      }),
    put: (key, value) =>
      alive(() => {
        answers();
        world.etcd.set(key, value);
      }).then(() => startWanted(world)),
  };
}

/** What the hosts' HA agents do with VMs that are wanted, in a world where nothing fails meanwhile. */
async function startWanted(world: FakeWorld): Promise<void> {
  for (const [key, text] of world.etcd) {
    if (!key.startsWith(haKeys.specs)) continue;
    const { id, generation, spec } = haSpecSchema.parse(JSON.parse(text));
    const wanted = haVmSchema.parse(JSON.parse(world.etcd.get(haKeys.vm(id)) ?? 'null'));
    const host = world.hosts.find((one) => one.id === wanted.preferredHost);
    if (host === undefined || wanted.wanted !== 'running') continue;
    await clientOf(world, host, 'installer')
      .call('putVm', { params: { id }, body: { generation, spec, power: 'running' } })
      .catch(() => {});
  }
}

/** An engine whose VM runs and whose seed is sound is ready at once. */
function engineOf(world: FakeWorld, address: string, ca: string, alive: Alive): EnginePort {
  const seed = () => {
    const runs = world.hosts.some((host) =>
      [...host.kept.vms.values()].some((vm) => vm.spec.role === 'engine' && vm.state === 'running'),
    );
    const text = world.volumes.get('engine')?.files.get('engine/seed.raw')?.content;
    if (!runs || text === undefined) return undefined;
    const read = engineSeedSchema.parse(JSON.parse(text));
    return addressOf(read.network.address) === address && read.tls.caCertificate === ca ? read : undefined;
  };
  return {
    health: () =>
      alive(() => (seed() === undefined ? undefined : { state: 'ready' as const, version: world.version })),
    logIn: ({ name, password }) =>
      alive(async () => {
        const read = seed();
        if (read?.admin.name !== name || !(await isPassword(password, read.admin.passwordHash)))
          throw new AppError({
            code: 'session.refused',
            family: 'denied',
            message: 'Wrong name or password.',
          });
        const [host] = world.hosts;
        return {
          look: () =>
            alive(() => ({
              hosts: read.hosts.map(({ id, name: hostName }) => ({
                name: hostName,
                state: hostById(world, id)?.powered === true ? 'online' : 'unreachable',
                reason: '',
              })),
              volumes:
                host === undefined
                  ? []
                  : [...world.volumes.values()].map((volume) => volumeStatusOf(world, host, volume)),
            })),
          end: async () => {},
        };
      }),
  };
}
