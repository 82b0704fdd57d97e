import type { PreflightReport } from '../../../node/contract/host.ts';
import type { NetworkStatus } from '../../../node/contract/network.ts';
import { type HandlerCall, type Handlers, later, needGeneration, refuse, takes } from './handlers.ts';
import { addressesOf, type FakeHost, type FakeWorld, hostByAddress, hostNow, infoOf } from './model.ts';

type Names =
  | 'getHost'
  | 'getLoad'
  | 'getDiscovered'
  | 'preflight'
  | 'power'
  | 'leave'
  | 'getNetwork'
  | 'putNetwork'
  | 'confirmNetwork'
  | 'getTime'
  | 'putTime'
  | 'getUnits';

const announce = (world: FakeWorld, host: FakeHost) => ({
  id: host.id,
  name: host.kept.join?.hostName ?? host.options.name,
  version: host.options.version ?? world.version,
  state: host.kept.join === undefined ? ('unjoined' as const) : ('joined' as const),
  addresses: addressesOf(host).filter((address) => !address.startsWith('fe80')),
  port: 7440,
  fingerprint: host.fingerprint,
  machine: 'Trefoil Fake machine',
  cpuThreads: host.options.threads ?? 8,
  memoryMiB: infoOf(world, host).memoryMiB,
  diskCount: host.options.disks?.length ?? 0,
});

export { announce as announcementOf };

export function preflightOf(
  world: FakeWorld,
  host: FakeHost,
  body: HandlerCall<'preflight'>['body'],
): PreflightReport {
  if ((host.options.systemFreeMiB ?? 20_000) < 16 && body.fsyncDirectory !== undefined)
    throw refuse(
      'conflict',
      'host.disk-full',
      `The system disk of ${host.options.name} is full.`,
      'Free some space on it.',
    );
  const plain = (address: string) => address.split('%')[0] ?? address;
  return {
    version: host.options.version ?? world.version,
    now: hostNow(world, host).toISOString(),
    ...(body.fsyncDirectory === undefined
      ? {}
      : { fsync: { p50Ms: 0.4, p99Ms: host.options.fsyncP99Ms ?? 2.5, samples: 100 } }),
    virtualization: host.options.accelerator === 'tcg' ? 'none' : 'kvm',
    memoryMiB: infoOf(world, host).memoryMiB,
    systemFreeMiB: host.options.systemFreeMiB ?? 20_000,
    reach: body.peers.map((peer) => {
      const other = hostByAddress(world, plain(peer.address));
      const reachable = other?.powered === true && !host.unreachable.has(plain(peer.address));
      return {
        network: peer.network,
        address: peer.address,
        reachable,
        fullMtu: reachable && !host.smallPackets.has(plain(peer.address)),
        ...(reachable ? { rttMs: 0.2 } : {}),
      };
    }),
    addressConflicts: [
      ...host.kept.conflicts,
      ...body.wanted
        .filter((want) => !addressesOf(host).includes(want.address))
        .flatMap((want) => {
          const holder = hostByAddress(world, want.address);
          return holder === undefined
            ? []
            : [{ address: want.address, mac: holder.kept.network.nics[0]?.mac ?? '' }];
        }),
    ],
  };
}

/** What the NICs look like with these networks: a bridge takes over the addresses of its NIC. */
function applied(host: FakeHost, body: HandlerCall<'putNetwork'>['body']): NetworkStatus['nics'] {
  return host.kept.network.nics.map((nic) => {
    const network = body.networks.find((each) => each.nic === nic.name);
    if (network === undefined) return nic;
    const local = nic.addresses.filter((address) => address.startsWith('fe80'));
    const addresses =
      network.addressing.kind === 'static'
        ? [network.addressing.address, ...local]
        : [`${host.options.address}/24`, ...local];
    const { bridge: _, ...rest } = nic;
    return {
      ...rest,
      addresses,
      mtu: network.mtu,
      ...(network.bridge ? { bridge: `br-${network.name}` } : {}),
    };
  });
}

export const hostHandlers: Pick<Handlers, Names> = {
  getHost: ({ world, host }) => infoOf(world, host),

  getLoad: ({ world, host }) => {
    const running = [...host.kept.vms.values()].filter((vm) => vm.state === 'running');
    const used = running.reduce((sum, vm) => sum + vm.spec.memoryMiB, 0);
    const total = infoOf(world, host).memoryMiB;
    return {
      at: hostNow(world, host).toISOString(),
      cpuBusyPercent: Math.min(95, 2 + 6 * running.length),
      memoryTotalMiB: total,
      memoryAvailableMiB: Math.max(0, total - 900 - used),
      load1: 0.1 + 0.4 * running.length,
    };
  },

  getDiscovered: ({ world, host }) => ({
    hosts: world.hosts
      .filter((each) => each !== host && each.powered && each.kept.join === undefined)
      .map((each) => ({ ...announce(world, each), seenAt: world.now().toISOString() })),
  }),

  preflight: async ({ world, host, body }) => {
    await takes(world, 1_000);
    return preflightOf(world, host, body);
  },

  power: ({ host, world, body }) => {
    host.powered = false;
    if (body.action === 'reboot')
      later(world, 20_000, () => {
        host.powered = true;
        host.bootedAt = world.now();
      });
    return undefined;
  },

  leave: async ({ world, host }) => {
    await takes(world, 2_000);
    if ([...host.kept.vms.values()].some((vm) => vm.state === 'running'))
      throw refuse(
        'conflict',
        'host.runs-vms',
        `${host.options.name} still runs VMs.`,
        'Stop them or move them to another host.',
      );
    const { networkBefore } = host.kept;
    host.kept = {
      network: networkBefore ?? host.kept.network,
      bricks: new Map(),
      gluster: false,
      peers: new Set(),
      mounts: new Map(),
      vms: new Map(),
      conflicts: host.kept.conflicts,
    };
    if (!world.hosts.some((each) => each.kept.etcd !== undefined)) world.etcd.clear();
    return undefined;
  },

  getNetwork: ({ host }) => host.kept.network,

  putNetwork: async ({ world, host, body }) => {
    const { network } = host.kept;
    needGeneration(body.generation, network.generation, 'The network configuration');
    await takes(world, 1_500);
    const known = network.nics.map((nic) => nic.name);
    const missing = body.networks.find((each) => !known.includes(each.nic));
    if (missing !== undefined)
      throw refuse('invalid', 'network.no-nic', `${host.options.name} has no NIC ${missing.nic}.`);
    host.kept.networkBefore ??= network;
    host.kept.network = {
      generation: body.generation,
      state: 'waiting-for-confirmation',
      networks: body.networks,
      nics: applied(host, body),
    };
    return host.kept.network;
  },

  confirmNetwork: ({ host, body }) => {
    const { network } = host.kept;
    if (body.generation !== network.generation || network.state === 'reverted')
      throw refuse('conflict', 'network.reverted', 'This network configuration is no longer in force.');
    network.state = 'confirmed';
    return network;
  },

  getTime: ({ host }) => ({
    synchronized: host.kept.time !== undefined,
    offsetMs: 0.3,
    sources: host.kept.time === undefined ? [] : [...host.kept.time.servers, ...host.kept.time.peers],
  }),

  putTime: ({ host, body }) => {
    host.kept.time = body;
    return { synchronized: true, offsetMs: 0.3, sources: [...body.servers, ...body.peers] };
  },

  getUnits: () =>
    ['trefoil-node.service', 'libvirtd.service', 'glusterd.service', 'etcd.service'].map((name) => ({
      name,
      activeState: 'active',
      subState: 'running',
    })),
};
