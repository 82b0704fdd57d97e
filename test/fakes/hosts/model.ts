import { createHash } from 'node:crypto';
import { EventEmitter } from 'node:events';
import type { BrickStatus, HostDisk } from '../../../node/contract/disks.ts';
import type { AppErrorInit } from '../../../node/contract/error.ts';
import type { EtcdPut } from '../../../node/contract/etcd.ts';
import type { NodeEvent } from '../../../node/contract/events.ts';
import type { HostInfo, PreflightReport } from '../../../node/contract/host.ts';
import { type HostId, hostIdSchema, type VmId } from '../../../node/contract/ids.ts';
import type { HostNic, NetworkStatus } from '../../../node/contract/network.ts';
import type { Join } from '../../../node/contract/pairing.ts';
import type { NodeRouteName } from '../../../node/contract/routes.ts';
import type { GlusterVolumePut, MountPut } from '../../../node/contract/storage.ts';
import type { Task } from '../../../node/contract/tasks.ts';
import type { TimePut } from '../../../node/contract/units.ts';
import type { ImageFile, VmPower, VmSpec, VmState } from '../../../node/contract/vms.ts';
import { fingerprintOf, newKeys, selfSignedCertificate } from '../../../node/identity/certificate.ts';
import { WorldEtcd } from '../etcd/world-etcd.ts';
import type { FakePowerDevice } from './power.ts';

/** What goes wrong at one route of one host, `times` times (always, when not told). */
export type Fault = {
  /** refuse: nothing happens; lose: it happens and the answer never arrives; hang: nothing until the caller gives up */
  kind: 'refuse' | 'lose' | 'hang';
  error?: AppErrorInit;
  times?: number;
};

export type FakeVm = {
  spec: VmSpec;
  generation: number;
  power: VmPower;
  state: VmState;
  reason: string;
  startedAt?: string;
  /** what it wrote to its serial console */
  serial: string;
  /** HA started it, by the assignment of this epoch; and how it ended, on the clock of performance.now() */
  ha?: { epoch: number; ended?: { how: 'guest' | 'crashed' | 'not-started'; atMs: number } };
};

export type FakeDiskFile = { format: 'raw' | 'qcow2'; sizeMiB: number; content: string };

export type HostOptions = {
  name: string;
  address: string;
  id?: string;
  version?: string;
  code?: string;
  memoryMiB?: number;
  threads?: number;
  cpuModel?: string;
  usableModels?: string[];
  accelerator?: 'kvm' | 'tcg';
  disks?: HostDisk[];
  nics?: HostNic[];
  clockOffsetMs?: number;
  fsyncP99Ms?: number;
  systemFreeMiB?: number;
};

/** All that one simulated host knows; what a real one keeps on disk is in `kept`, and survives its power cut. */
export type FakeHost = {
  id: HostId;
  options: HostOptions;
  keys: { privateKey: CryptoKey; publicKey: CryptoKey };
  selfSigned: string;
  fingerprint: string;
  powered: boolean;
  bootedAt: Date;
  code: string;
  triesLeft: number;
  /** pairings that this host runs on behalf of its caller: id -> the other host */
  pairings: Map<string, HostId>;
  kept: {
    join?: Join;
    network: NetworkStatus;
    networkBefore?: NetworkStatus;
    time?: TimePut;
    etcd?: EtcdPut;
    bricks: Map<string, BrickStatus & { generation: number }>;
    /** serves storage: from the first request for peers, volumes or mounts on */
    gluster: boolean;
    peers: Set<string>;
    mounts: Map<string, MountPut>;
    vms: Map<VmId, FakeVm>;
    /** addresses that are this host's own only because something strange is on the network */
    conflicts: PreflightReport['addressConflicts'];
  };
  tasks: Map<string, Task>;
  faults: Partial<Record<NodeRouteName, Fault>>;
  /** addresses that it cannot reach, or only with small packets */
  unreachable: Set<string>;
  smallPackets: Set<string>;
  events: EventEmitter<{ event: [NodeEvent] }>;
};

export type FakeVolume = {
  name: string;
  put: GlusterVolumePut;
  files: Map<string, FakeDiskFile>;
  images: ImageFile[];
  healPending: number;
  splitBrain: number;
};

export type FakeWorld = {
  hosts: FakeHost[];
  volumes: Map<string, FakeVolume>;
  /** what the hosts' etcd holds */
  etcd: WorldEtcd;
  /** fence devices, by address */
  powerDevices: Map<string, FakePowerDevice>;
  /** 0: all is done at once; 1: about as long as real things take */
  pace: number;
  version: string;
  now(): Date;
  /** told of every request, before it is handled and after; may throw */
  onRequest?: (host: FakeHost, name: NodeRouteName, when: 'before' | 'after') => Promise<void> | void;
};

const stableUuid = (text: string): string => {
  const hex = createHash('sha256').update(text).digest('hex');
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-4${hex.slice(13, 16)}-a${hex.slice(17, 20)}-${hex.slice(20, 32)}`;
};

export const gib = 1024;

const nic = (name: string, host: string, addresses: string[]): HostNic => {
  const hex = createHash('sha256').update(`${host}/${name}`).digest('hex');
  const tail = [hex.slice(0, 2), hex.slice(2, 4), hex.slice(4, 6)];
  return {
    name,
    mac: ['02', '54', '46', ...tail].join(':'),
    linkUp: true,
    speedMbps: 10_000,
    mtu: 1500,
    addresses: [...addresses, `fe80::54:46ff:fe${tail[0]}:${tail[1]}${tail[2]}/64`],
    driver: 'virtio_net',
  };
};

const disk = (
  host: string,
  name: string,
  sizeMiB: number,
  use: HostDisk['use'],
  contents: string,
): HostDisk => ({
  path: `/dev/${name}`,
  model: 'Fake disk',
  serial: `${host}-${name}`.toUpperCase(),
  sizeMiB,
  rotational: false,
  use,
  contents,
});

/** An unjoined host as it is after its first boot: one system disk, one empty one, two NICs. */
export async function makeFakeHost(options: HostOptions, now: Date): Promise<FakeHost> {
  const keys = await newKeys();
  const id = hostIdSchema.parse(options.id ?? stableUuid(options.name));
  const selfSigned = await selfSignedCertificate(id, keys, now);
  const nics = options.nics ?? [
    nic('mgmt0', options.name, [`${options.address}/24`]),
    nic('stor0', options.name, []),
  ];
  return {
    id,
    options: {
      ...options,
      disks: options.disks ?? [
        disk(options.name, 'vda', 64 * gib, 'system', 'the system'),
        disk(options.name, 'vdb', 500 * gib, 'free', 'empty'),
      ],
    },
    keys,
    selfSigned,
    fingerprint: fingerprintOf(selfSigned),
    powered: true,
    bootedAt: now,
    code: options.code ?? stableUuid(`code of ${options.name}`).replaceAll('-', '').slice(0, 8).toUpperCase(),
    triesLeft: 5,
    pairings: new Map(),
    kept: {
      network: { generation: 0, state: 'default', networks: [], nics },
      bricks: new Map(),
      gluster: false,
      peers: new Set(),
      mounts: new Map(),
      vms: new Map(),
      conflicts: [],
    },
    tasks: new Map(),
    faults: {},
    unreachable: new Set(),
    smallPackets: new Set(),
    events: new EventEmitter(),
  };
}

export async function makeFakeWorld(
  hosts: readonly HostOptions[],
  options: { pace?: number; version?: string; now?: () => Date } = {},
): Promise<FakeWorld> {
  const now = options.now ?? (() => new Date());
  const world: FakeWorld = {
    hosts: [],
    volumes: new Map(),
    etcd: new WorldEtcd(),
    powerDevices: new Map(),
    pace: options.pace ?? 0,
    version: options.version ?? '0.1.0',
    now,
  };
  for (const host of hosts) world.hosts.push(await makeFakeHost(host, now()));
  return world;
}

export const hostById = (world: FakeWorld, id: string): FakeHost | undefined =>
  world.hosts.find((host) => host.id === id);

/** Who has this address now: as its management or its storage address. */
export const hostByAddress = (world: FakeWorld, address: string): FakeHost | undefined =>
  world.hosts.find((host) => addressesOf(host).includes(address));

export const addressesOf = (host: FakeHost): string[] =>
  host.kept.network.nics.flatMap((each) => each.addresses).map((cidr) => cidr.split('/')[0] ?? cidr);

export const infoOf = (world: FakeWorld, host: FakeHost): HostInfo => {
  const { options, kept } = host;
  const { join } = kept;
  return {
    id: host.id,
    name: join?.hostName ?? options.name,
    version: options.version ?? world.version,
    membership:
      join === undefined
        ? { state: 'unjoined' }
        : {
            state: 'joined',
            clusterId: join.clusterId,
            clusterName: join.clusterName,
            hostName: join.hostName,
          },
    machine: { vendor: 'Trefoil', model: 'Fake machine', serial: `SN-${options.name}` },
    cpu: {
      model: options.cpuModel ?? 'Fake CPU 2.5 GHz',
      vendor: 'GenuineIntel',
      threads: options.threads ?? 8,
      features: ['aes', 'avx2', 'vmx'],
      accelerator: options.accelerator ?? 'kvm',
      usableModels: options.usableModels ?? ['qemu64', 'Nehalem', 'Haswell-noTSX', 'Skylake-Client'],
    },
    memoryMiB: options.memoryMiB ?? 32 * gib,
    bootedAt: host.bootedAt.toISOString(),
    now: hostNow(world, host).toISOString(),
    nics: kept.network.nics,
    disks: (options.disks ?? []).map((each) =>
      [...kept.bricks.values()].some((brick) => brick.serial === each.serial)
        ? { ...each, use: 'brick' as const, contents: 'XFS file system, brick' }
        : each,
    ),
  };
};

export const hostNow = (world: FakeWorld, host: FakeHost): Date =>
  new Date(world.now().getTime() + (host.options.clockOffsetMs ?? 0));

/** All that a power cut would not lose, for comparing worlds. */
export function keptState(world: FakeWorld): unknown {
  const plain = (value: unknown): unknown => {
    if (value instanceof Map)
      return Object.fromEntries([...value].map(([key, each]) => [String(key), plain(each)]));
    if (value instanceof Set) return [...value].sort();
    if (Array.isArray(value)) return value.map(plain);
    if (typeof value === 'object' && value !== null)
      return Object.fromEntries(Object.entries(value).map(([key, each]) => [key, plain(each)]));
    return value;
  };
  return plain({
    hosts: world.hosts.map((host) => ({ name: host.options.name, ...host.kept })),
    volumes: world.volumes,
    etcd: new Map(world.etcd),
  });
}
