import { z } from 'zod';
import { type ClusterHost, clusterVolumeSchema } from '../../node/contract/cluster.ts';
import { AppError } from '../../node/contract/error.ts';
import { etcdKeys } from '../../node/contract/etcd.ts';
import { type HostId, hostIdSchema } from '../../node/contract/ids.ts';
import type { PairingStarted } from '../../node/contract/pairing.ts';
import type { ClusterStore } from '../cluster/port.ts';
import type { ClusterRecord } from '../cluster/store.ts';
import { hostAddSchema } from '../contract/hosts.ts';
import type { Db } from '../db/database.ts';
import { databaseError } from '../db/database.ts';
import { type AnyJobKind, defineJob } from '../jobs/kind.ts';
import type { Changes } from '../live/changes.ts';
import { hostKey } from '../vms/env.ts';
import { signHost } from './authority.ts';
import { type HostEntry, type Hosts, isMember } from './hosts.ts';
import { freeStorageAddress, networksFor } from './join-plan.ts';
import { patiently } from './patience.ts';
import type { HostRecord } from './port.ts';
import { deleteHost, ensureHost } from './store.ts';

export type AddHostEnv = {
  db: Db;
  hosts: Hosts;
  changes: Changes;
  store: ClusterStore;
  cluster(): ClusterRecord;
  caCertificate: string;
  volumes(): string[];
  now(): Date;
  sleep(ms: number, signal: AbortSignal): Promise<void>;
};

const memorySchema = z.object({
  storageAddress: z.string().optional(),
  /** of the settings that this job makes on the host and on volumes: later than any before */
  generation: z.number().int().optional(),
});
type Input = z.infer<typeof hostAddSchema>;
type Memory = z.infer<typeof memorySchema>;

const need = <T>(value: T | undefined): T => {
  if (value === undefined) throw new Error('the job lacks what an earlier step was to find');
  return value;
};

async function save(db: Db, record: HostRecord): Promise<void> {
  await ensureHost(db, record).catch((thrown: unknown) => {
    throw databaseError(thrown, `recording the host ${record.name}`);
  });
}

/** Looks at it before it is taken: its id, and that it runs the same version. */
async function pairAndLook(via: HostEntry, input: Input, signal: AbortSignal): Promise<PairingStarted> {
  const { client } = via.link;
  const body = { address: input.address, code: input.code };
  const pairing = await client.call('startPairing', { body }, { signal });
  try {
    const info = await client.call('getPairingHost', { params: { id: pairing.id } }, { signal });
    const ours = via.picture?.info?.version;
    if (pairing.hostId !== input.id)
      throw new AppError({
        code: 'host.other-than-chosen',
        family: 'conflict',
        message: `At ${input.address} there is another host than the one that was chosen.`,
        remedy: 'Look at the list of discovered hosts again.',
      });
    if (ours !== undefined && info.version !== ours)
      throw new AppError({
        code: 'host.other-version',
        family: 'conflict',
        message: `${input.name} runs version ${info.version}, the cluster ${ours}.`,
        remedy: 'Install the same version on it.',
      });
    return pairing;
  } catch (thrown) {
    await client.call('deletePairing', { params: { id: pairing.id } }, { signal }).catch(() => {});
    throw thrown;
  }
}

/** Whether it already is ours: it shows a certificate of our authority with its id. */
async function isOurs(entry: HostEntry, signal: AbortSignal): Promise<boolean> {
  try {
    const info = await entry.link.client.call('getHost', {}, { signal });
    return info.membership.state === 'joined';
  } catch {
    return false;
  }
}

async function join(env: AddHostEnv, input: Input, memory: Memory, signal: AbortSignal): Promise<void> {
  const record: HostRecord = {
    id: input.id,
    name: input.name,
    address: input.address,
    storageAddress: need(memory.storageAddress),
    membership: 'joining',
    createdAt: env.now(),
  };
  await save(env.db, record);
  const entry = env.hosts.add(record);
  if (await isOurs(entry, signal)) return;
  const via = env.hosts.anyOnline(isMember);
  const authorityKey = await env.store.get(etcdKeys.caKey);
  if (authorityKey === undefined)
    throw new AppError({
      code: 'certificate.no-authority',
      family: 'unavailable',
      message: 'The cluster’s store does not hold the key of the certificate authority.',
    });
  const pairing = await pairAndLook(via, input, signal);
  const certificate = await signHost(
    { certificate: env.caCertificate, key: authorityKey },
    pairing.csr,
    { id: input.id, names: [input.name, input.address, record.storageAddress] },
    env.now(),
  );
  const { id: clusterId, name: clusterName } = env.cluster();
  const body = {
    clusterId,
    clusterName,
    hostName: input.name,
    certificate,
    caCertificate: env.caCertificate,
  };
  await via.link.client.call('finishPairing', { params: { id: pairing.id }, body }, { signal });
  env.hosts.nudge(input.id);
}

/** Takes everything back: the host is found again as before, and nobody remembers it. */
async function undoJoin(env: AddHostEnv, id: HostId, signal: AbortSignal): Promise<void> {
  const entry = env.hosts.get(id);
  if (entry !== undefined && (await isOurs(entry, signal)))
    await entry.link.client.call('leave', {}, { signal });
  await env.hosts.remove(id);
  await env.store.remove(etcdKeys.host(id));
  await deleteHost(env.db, id).catch((thrown: unknown) => {
    throw databaseError(thrown, 'forgetting a host');
  });
}

const untilOnline = (env: AddHostEnv, id: HostId, signal: AbortSignal): Promise<HostEntry> =>
  env.changes.until(
    hostKey(id),
    () => {
      const entry = env.hosts.get(id);
      return entry?.state === 'online' ? entry : undefined;
    },
    signal,
    500,
  );

async function setNetwork(env: AddHostEnv, input: Input, memory: Memory, signal: AbortSignal): Promise<void> {
  const entry = await untilOnline(env, input.id, signal);
  const pattern = await env.hosts.anyOnline(isMember).link.client.call('getNetwork', {}, { signal });
  const networks = networksFor(
    {
      name: input.name,
      address: input.address,
      storageAddress: need(memory.storageAddress),
      nics: entry.picture?.info?.nics ?? [],
    },
    pattern.networks,
  );
  const generation = need(memory.generation);
  const patience = { sleep: env.sleep, signal };
  await patiently(patience, () =>
    entry.link.client.call('putNetwork', { body: { generation, networks } }, { signal }),
  );
  // Only who still reaches the host after the change may confirm it; else the host takes it back by itself.
  await patiently(patience, () =>
    entry.link.client.call('confirmNetwork', { body: { generation } }, { signal }),
  );
}

async function giveStorage(
  env: AddHostEnv,
  input: Input,
  memory: Memory,
  signal: AbortSignal,
): Promise<void> {
  const entry = await untilOnline(env, input.id, signal);
  const generation = need(memory.generation);
  const storageAddresses = env.hosts.all().map(({ record }) => record.storageAddress);
  const others = env.hosts
    .all()
    .filter(isMember)
    .map(({ record }) => record.storageAddress);
  for (const name of env.volumes()) {
    const text = await env.store.get(etcdKeys.volume(name));
    if (text === undefined) continue;
    const { layout, bricks } = clusterVolumeSchema.parse(JSON.parse(text));
    const body = {
      generation,
      layout: { kind: layout },
      bricks,
      allowedAddresses: [...new Set(storageAddresses)].sort(),
    };
    await env.hosts.anyOnline(isMember).link.client.call('putVolume', { params: { name }, body }, { signal });
    await entry.link.client.call(
      'putMount',
      { params: { name }, body: { generation, servers: others } },
      { signal },
    );
  }
}

async function declare(env: AddHostEnv, input: Input, memory: Memory): Promise<void> {
  const entry = env.hosts.need(input.id);
  const document: ClusterHost = {
    id: input.id,
    name: input.name,
    role: 'compute',
    address: input.address,
    storageAddress: need(memory.storageAddress),
    etcdMember: false,
    joinedAt: env.now().toISOString(),
  };
  await env.store.put(etcdKeys.host(input.id), JSON.stringify(document));
  entry.record.membership = 'member';
  await save(env.db, entry.record);
  env.changes.notify(hostKey(input.id));
}

/** A host that runs VMs and keeps no copy of the data: pairing, networks, time, the volumes' mounts. */
export const addHostJob = (env: AddHostEnv): AnyJobKind =>
  defineJob<Input, Memory>({
    kind: 'host.add',
    input: z.object({ ...hostAddSchema.shape, id: hostIdSchema }),
    memory: memorySchema,
    steps: [
      {
        name: 'plan',
        title: 'Choose its storage address',
        seconds: 0.1,
        deadlineMs: 10_000,
        cancellable: true,
        async do({ input }) {
          const taken = env.hosts.all().map(({ record }) => record.storageAddress);
          return {
            storageAddress: freeStorageAddress(input.address, taken),
            generation: Math.floor(env.now().getTime() / 1000),
          };
        },
      },
      {
        name: 'join',
        title: 'Pair with it and sign its certificate',
        seconds: 3,
        deadlineMs: 60_000,
        cancellable: true,
        async do({ input, memory, signal }) {
          await join(env, input, memory, signal);
          return undefined;
        },
        undo: ({ input, signal }) => undoJoin(env, input.id, signal),
      },
      {
        name: 'network',
        title: 'Set up its networks',
        seconds: 6,
        deadlineMs: 120_000,
        cancellable: true,
        async do({ input, memory, signal }) {
          await setNetwork(env, input, memory, signal);
          return undefined;
        },
      },
      {
        name: 'time',
        title: 'Set its clock by the cluster',
        seconds: 1,
        deadlineMs: 60_000,
        cancellable: true,
        async do({ input, signal }) {
          const entry = await untilOnline(env, input.id, signal);
          const peers = env.hosts
            .all()
            .filter(({ record }) => record.id !== input.id)
            .map(({ record }) => record.address);
          await patiently({ sleep: env.sleep, signal }, () =>
            entry.link.client.call(
              'putTime',
              { body: { servers: env.cluster().timeServers, peers } },
              { signal },
            ),
          );
          return undefined;
        },
      },
      {
        name: 'storage',
        title: 'Let it use the volumes',
        seconds: 5,
        deadlineMs: 180_000,
        cancellable: true,
        async do({ input, memory, signal }) {
          await giveStorage(env, input, memory, signal);
          return undefined;
        },
      },
      {
        name: 'declare',
        title: 'Make it a member',
        seconds: 0.2,
        deadlineMs: 60_000,
        cancellable: false,
        fact: true,
        async do({ input, memory }) {
          await declare(env, input, memory);
          return undefined;
        },
      },
    ],
    told: ({ input }) => ({
      code: 'host.added',
      message: `${input.name} was added to the cluster; it runs VMs now.`,
    }),
  });
