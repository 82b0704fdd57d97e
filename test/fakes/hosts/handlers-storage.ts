import { randomUUID } from 'node:crypto';
import { type HostId, taskIdSchema } from '../../../node/contract/ids.ts';
import type { GlusterVolumePut, VolumeStatus } from '../../../node/contract/storage.ts';
import type { Task } from '../../../node/contract/tasks.ts';
import { emit, type Handlers, later, needGeneration, refuse, takes } from './handlers.ts';
import {
  addressesOf,
  type FakeDiskFile,
  type FakeHost,
  type FakeVolume,
  type FakeWorld,
  hostByAddress,
  hostNow,
} from './model.ts';

type Names =
  | 'getEtcd'
  | 'putEtcd'
  | 'getBricks'
  | 'putBrick'
  | 'getPeers'
  | 'putPeers'
  | 'getVolumes'
  | 'putVolume'
  | 'deleteVolume'
  | 'putMount'
  | 'deleteMount'
  | 'getImages'
  | 'putDiskFile'
  | 'deleteDiskFile'
  | 'putEngineSeed'
  | 'getTask'
  | 'cancelTask';

const engineImageMiB = 2048;

const etcdHealthy = (world: FakeWorld, host: FakeHost): boolean => {
  const members = host.kept.etcd?.members ?? [];
  const up = members.filter((member) => {
    const other = hostByAddress(world, member.address);
    return other?.powered === true && other.kept.etcd !== undefined;
  });
  return members.length > 0 && up.length > members.length / 2;
};

/** Whether etcd answers a client now: a majority of its members runs. */
export const etcdAnswers = (world: FakeWorld): boolean =>
  world.hosts.some((host) => host.powered && etcdHealthy(world, host));

const hasPeers = (world: FakeWorld, host: FakeHost, put: GlusterVolumePut): string | undefined =>
  put.bricks
    .map((brick) => brick.address)
    .find((address) => !addressesOf(host).includes(address) && !arePeers(world, host, address));

const arePeers = (world: FakeWorld, host: FakeHost, address: string): boolean => {
  const other = hostByAddress(world, address);
  return host.kept.peers.has(address) || (other !== undefined && samePool(host, other));
};

const samePool = (one: FakeHost, other: FakeHost): boolean =>
  addressesOf(one).some((address) => other.kept.peers.has(address));

const usedMiB = (volume: FakeVolume): number =>
  [...volume.files.values()].reduce((sum, file) => sum + Math.min(file.sizeMiB, 200), 0);

export function volumeStatusOf(world: FakeWorld, host: FakeHost, volume: FakeVolume): VolumeStatus {
  const bricks = volume.put.bricks.map((brick) => {
    const holder = hostByAddress(world, brick.address);
    const online = holder?.powered === true;
    return {
      address: brick.address,
      path: brick.path,
      online,
      connectedHere: online,
      healPending: 0,
      holder,
    };
  });
  const lost = bricks.filter((brick) => !brick.online).length;
  const mounted = host.kept.mounts.has(volume.name);
  const state =
    volume.splitBrain > 0
      ? 'split-brain'
      : lost > 0
        ? volume.put.layout.kind === 'single' || lost > bricks.length / 2
          ? 'offline'
          : 'degraded'
        : volume.healPending > 0
          ? 'healing'
          : 'healthy';
  const free = Math.min(
    ...bricks.map(
      (brick) =>
        [...(brick.holder?.kept.bricks.values() ?? [])].find((each) => brick.path.startsWith(each.path))
          ?.freeMiB ?? 0,
    ),
  );
  return {
    name: volume.name,
    state,
    summary:
      state === 'healthy'
        ? 'All copies are there and equal.'
        : `${lost} of ${bricks.length} bricks are offline.`,
    layout: volume.put.layout.kind,
    mounted,
    bricks: bricks.map(({ holder: _, connectedHere, ...brick }) => ({
      ...brick,
      ...(mounted ? { connectedHere } : {}),
    })),
    sizeMiB: free,
    freeMiB: Math.max(0, free - usedMiB(volume)),
    healPending: volume.healPending,
    splitBrain: volume.splitBrain,
    checkedAt: hostNow(world, host).toISOString(),
  };
}

const volumeOf = (world: FakeWorld, name: string | undefined): FakeVolume => {
  const volume = world.volumes.get(name ?? '');
  if (volume === undefined) throw refuse('missing', 'volume.missing', `There is no volume ${name ?? ''}.`);
  return volume;
};

const mountedVolume = (world: FakeWorld, host: FakeHost, name: string): FakeVolume => {
  if (!host.kept.mounts.has(name))
    throw refuse('conflict', 'volume.not-mounted', `The volume ${name} is not mounted on this host.`);
  return volumeOf(world, name);
};

export function startTask(
  world: FakeWorld,
  host: FakeHost,
  kind: Task['kind'],
  ms: number,
  finish: () => void,
  cancelled: () => void = () => {},
): Task {
  const task: Task = {
    id: taskIdSchema.parse(randomUUID()),
    kind,
    state: 'running',
    progress: 0,
    detail: '',
    startedAt: world.now().toISOString(),
  };
  host.tasks.set(task.id, task);
  later(world, ms, () => {
    if (task.state !== 'running') return cancelled();
    finish();
    Object.assign(task, { state: 'done', progress: 1, endedAt: world.now().toISOString() });
    emit(host, { kind: 'task', task });
  });
  return task;
}

const taskOf = (host: FakeHost, id: string | undefined): Task => {
  const task = host.tasks.get(id ?? '');
  if (task === undefined) throw refuse('missing', 'task.missing', 'There is no such task.');
  return task;
};

export const storageHandlers: Pick<Handlers, Names> = {
  getEtcd: ({ world, host }) => {
    const { etcd } = host.kept;
    const healthy = etcd !== undefined && etcdHealthy(world, host);
    return {
      configured: etcd !== undefined,
      running: etcd !== undefined,
      healthy,
      reason: etcd === undefined ? 'not a member' : healthy ? 'has a leader' : 'waits for other members',
    };
  },
  putEtcd: async ({ world, host, body }) => {
    if (host.kept.join === undefined)
      throw refuse('conflict', 'host.not-joined', 'This host has not joined a cluster.');
    needGeneration(body.generation, host.kept.etcd?.generation, 'etcd');
    await takes(world, 1_000);
    host.kept.etcd = body;
    const healthy = etcdHealthy(world, host);
    return { configured: true, running: true, healthy, reason: healthy ? 'has a leader' : 'waits' };
  },

  getBricks: ({ host }) => [...host.kept.bricks.values()].map(({ generation: _, ...brick }) => brick),
  putBrick: async ({ world, host, params, body }) => {
    const name = params['name'] ?? '';
    const { place } = body;
    const present = host.kept.bricks.get(name);
    needGeneration(body.generation, present?.generation, `The brick ${name}`);
    await takes(world, 2_000);
    const serial = place.kind === 'disk' ? place.serial : undefined;
    if (present !== undefined && present.serial === serial) return present;
    const disk = host.options.disks?.find((each) => each.serial === serial);
    if (serial !== undefined && disk === undefined)
      throw refuse('missing', 'disk.missing', `${host.options.name} has no disk with the serial ${serial}.`);
    if (disk !== undefined && disk.use !== 'free' && !(place.kind === 'disk' && place.eraseData))
      throw refuse(
        'conflict',
        'disk.used',
        `The disk ${serial} of ${host.options.name} is in use: ${disk.contents}.`,
      );
    const sizeMiB = disk?.sizeMiB ?? host.options.systemFreeMiB ?? 20_000;
    const brick = {
      name,
      path: `/var/lib/trefoil/bricks/${name}`,
      kind: disk === undefined ? ('directory' as const) : ('lvm-thin' as const),
      ...(serial === undefined ? {} : { serial }),
      mounted: true,
      sizeMiB,
      freeMiB: sizeMiB,
    };
    host.kept.bricks.set(name, { ...brick, generation: body.generation });
    return brick;
  },

  getPeers: ({ world, host }) =>
    world.hosts
      .filter((other) => other !== host && (samePool(host, other) || samePool(other, host)))
      .map((other) => ({
        address: addressesOf(other).find((address) => host.kept.peers.has(address)) ?? other.options.address,
        uuid: other.id,
        connected: other.powered,
        state: 'Peer in Cluster',
      })),
  putPeers: async ({ world, host, body }) => {
    await takes(world, 1_500);
    host.kept.gluster = true;
    for (const address of body.addresses) {
      if (addressesOf(host).includes(address)) continue;
      const other = hostByAddress(world, address);
      if (other?.powered !== true || !other.kept.gluster || host.unreachable.has(address))
        throw refuse('unavailable', 'gluster.peer-unreachable', `Nothing answers at ${address}.`);
    }
    // A probe is known to the whole pool.
    const pool = world.hosts.filter((each) => addressesOf(each).some((a) => body.addresses.includes(a)));
    for (const member of new Set([host, ...pool]))
      for (const address of body.addresses)
        if (!addressesOf(member).includes(address)) member.kept.peers.add(address);
    return storageHandlers.getPeers({ world, host, params: {}, body: undefined });
  },

  getVolumes: ({ world, host }) =>
    [...world.volumes.values()].map((volume) => volumeStatusOf(world, host, volume)),
  putVolume: async ({ world, host, params, body }) => {
    const name = params['name'] ?? '';
    await takes(world, 3_000);
    host.kept.gluster = true;
    const present = world.volumes.get(name);
    needGeneration(body.generation, present?.put.generation, `The volume ${name}`);
    const stranger = hasPeers(world, host, body);
    if (stranger !== undefined)
      throw refuse('conflict', 'gluster.not-a-peer', `${stranger} is not a peer of this host.`);
    for (const brick of body.bricks) {
      const holder = hostByAddress(world, brick.address);
      if (![...(holder?.kept.bricks.values() ?? [])].some((each) => brick.path.startsWith(`${each.path}/`)))
        throw refuse('conflict', 'gluster.no-brick', `${brick.address} has no brick at ${brick.path}.`);
    }
    const volume: FakeVolume = present ?? {
      name,
      put: body,
      files: new Map(),
      images: [],
      healPending: 0,
      splitBrain: 0,
    };
    volume.put = body;
    world.volumes.set(name, volume);
    return volumeStatusOf(world, host, volume);
  },
  deleteVolume: async ({ world, params }) => {
    await takes(world, 2_000);
    const name = params['name'] ?? '';
    const user = world.hosts.find((host) => host.kept.mounts.has(name));
    if (user !== undefined)
      throw refuse('conflict', 'volume.mounted', `The volume ${name} is mounted on ${user.options.name}.`);
    world.volumes.delete(name);
    return undefined;
  },

  putMount: async ({ world, host, params, body }) => {
    await takes(world, 800);
    host.kept.gluster = true;
    const volume = volumeOf(world, params['name']);
    needGeneration(body.generation, host.kept.mounts.get(volume.name)?.generation, 'The mount');
    if (!volume.put.allowedAddresses.some((address) => addressesOf(host).includes(address)))
      throw refuse('denied', 'volume.not-allowed', `${host.options.name} may not mount ${volume.name}.`);
    host.kept.mounts.set(volume.name, body);
    return volumeStatusOf(world, host, volume);
  },
  deleteMount: ({ host, params }) => {
    host.kept.mounts.delete(params['name'] ?? '');
    return undefined;
  },

  getImages: ({ world, host }) =>
    [...world.volumes.values()].flatMap((volume) => (host.kept.mounts.has(volume.name) ? volume.images : [])),

  putDiskFile: ({ world, host, body }) => {
    const volume = mountedVolume(world, host, body.volume);
    const content =
      body.from === undefined
        ? 'empty'
        : body.from.kind === 'engine-image'
          ? 'engine image'
          : mountedVolume(world, host, body.from.volume).files.get(body.from.path)?.content;
    if (content === undefined) throw refuse('missing', 'disk.no-source', 'The file to copy is not there.');
    const sizeMiB = Math.max(body.sizeMiB, body.from?.kind === 'engine-image' ? engineImageMiB : 0);
    const file: FakeDiskFile = { format: body.format, sizeMiB, content };
    const present = volume.files.get(body.path);
    if (present !== undefined) {
      if (present.content !== content)
        throw refuse('conflict', 'disk.exists', `There is already another file at ${body.path}.`);
      return startTask(world, host, 'disk-create', 0, () => {});
    }
    return startTask(world, host, 'disk-create', body.from === undefined ? 200 : 4_000, () => {
      volume.files.set(body.path, file);
    });
  },
  deleteDiskFile: ({ world, host, body }) => {
    mountedVolume(world, host, body.volume).files.delete(body.path);
    return undefined;
  },
  putEngineSeed: ({ world, host, body }) => {
    mountedVolume(world, host, body.volume).files.set(body.path, {
      format: 'raw',
      sizeMiB: 1,
      content: JSON.stringify(body.seed),
    });
    return undefined;
  },

  getTask: ({ host, params }) => taskOf(host, params['id']),
  cancelTask: ({ host, params }) => {
    const task = taskOf(host, params['id']);
    if (task.state === 'running') task.state = 'cancelled';
    return task;
  },
};

/** What an upload leaves: an image on a mounted volume. */
export function addImage(
  world: FakeWorld,
  host: FakeHost,
  image: { id: string; name: string; volume: string; format: 'raw' | 'qcow2'; sizeMiB: number },
): void {
  const volume = mountedVolume(world, host, image.volume);
  const path = `images/${image.id}.${image.format}`;
  if (volume.files.has(path)) return;
  volume.files.set(path, { format: image.format, sizeMiB: image.sizeMiB, content: `image ${image.name}` });
  volume.images.push({ ...image, id: image.id as FakeVolume['images'][number]['id'], path });
}

export type { HostId };
