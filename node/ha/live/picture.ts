import type { ClusterHost, ClusterHostRole } from '../../contract/cluster.ts';
import { clusterDocumentSchema, clusterHostSchema, clusterVolumeSchema } from '../../contract/cluster.ts';
import { etcdKeys } from '../../contract/etcd.ts';
import { type FenceDevice, fenceDeviceSchema, fenceKeys } from '../../contract/fence.ts';
import { type HaNote, type HaSpec, haKeys, haNoteSchema, haSpecSchema } from '../../contract/ha.ts';
import type { HostId, VmId } from '../../contract/ids.ts';
import type { KeyValue, WatchEvent } from '../../etcd/wire.ts';
import type { Kept, Member, View, Volume } from '../model.ts';
import { type HaRecord, makeView, readRecord, type Unreadable } from '../view.ts';

/** Another host as it can be reached: its address on each network, management first. */
export type Peer = { id: HostId; name: string; role: ClusterHostRole; addresses: readonly string[] };

/**
 * The cluster document and HA's records as this host has them from the store, kept in step by snapshots and events. A value
 * that does not parse is told by its key and changes nothing else.
 */
export type Picture = {
  replace(kvs: readonly KeyValue[]): void;
  apply(events: readonly WatchEvent[]): void;
  /** undefined until the store was read once */
  view(): View | undefined;
  peers(): readonly Peer[];
  spec(vm: VmId): HaSpec | undefined;
  probeKey(): string | undefined;
  fenceDevicesOf(host: HostId): FenceDevice[];
  /** undefined: the cluster document is not there, or not readable */
  engineAddress(): string | undefined;
  /** the newest lines of the timeline, oldest first */
  lastNotes(count: number): HaNote[];
  /** keys of notes that this host wrote, oldest first */
  notesOf(host: HostId): string[];
  unreadable(): ReadonlyMap<string, string>;
};

/** Formation and growth lay bricks in threes: three copies, or two and an arbiter's, which counts for the quorum too. */
const bricksInSet = 3;

export function makePicture(): Picture {
  const texts = new Map<string, string>();
  const records = new Map<string, Kept<HaRecord | Unreadable>>();
  const specs = new Map<VmId, HaSpec>();
  const hosts = new Map<string, ClusterHost>();
  const bricks = new Map<string, { name: string; layout: string; addresses: string[] }>();
  const devices = new Map<string, FenceDevice>();
  const reasons = new Map<string, string>();
  let engineAddress: string | undefined;
  let isRead = false;
  let view: View | undefined;

  const json = (text: string): unknown => {
    try {
      return JSON.parse(text);
    } catch {
      return undefined;
    }
  };
  const forget = (key: string) => {
    texts.delete(key);
    records.delete(key);
    reasons.delete(key);
    hosts.delete(key);
    bricks.delete(key);
    devices.delete(key);
    if (key === etcdKeys.cluster) engineAddress = undefined;
    for (const [vm] of specs) if (haKeys.spec(vm) === key) specs.delete(vm);
  };
  const take = ({ key, value, modRevision }: KeyValue) => {
    forget(key);
    if (key.startsWith(haKeys.timeline) || key === haKeys.probeKey) {
      texts.set(key, value);
      return;
    }
    if (key === etcdKeys.cluster) {
      const parsed = clusterDocumentSchema.pick({ engine: true }).safeParse(json(value));
      if (parsed.success) engineAddress = parsed.data.engine.address.split('/')[0];
      else reasons.set(key, parsed.error.issues[0]?.message ?? 'invalid');
    } else if (key.startsWith(etcdKeys.hosts)) {
      const parsed = clusterHostSchema.safeParse(json(value));
      if (parsed.success) hosts.set(key, parsed.data);
      else reasons.set(key, parsed.error.issues[0]?.message ?? 'invalid');
    } else if (key.startsWith(etcdKeys.volumes)) {
      const parsed = clusterVolumeSchema.safeParse(json(value));
      if (parsed.success) {
        const { name, layout } = parsed.data;
        bricks.set(key, { name, layout, addresses: parsed.data.bricks.map(({ address }) => address) });
      } else reasons.set(key, parsed.error.issues[0]?.message ?? 'invalid');
    } else if (key.startsWith(haKeys.specs)) {
      const parsed = haSpecSchema.safeParse(json(value));
      if (parsed.success && haKeys.spec(parsed.data.id) === key) specs.set(parsed.data.id, parsed.data);
      else reasons.set(key, parsed.error?.issues[0]?.message ?? 'it is under the key of another VM');
    } else if (key.startsWith(fenceKeys.devices)) {
      const parsed = fenceDeviceSchema.safeParse(json(value));
      if (parsed.success) devices.set(key, parsed.data);
      else reasons.set(key, parsed.error.issues[0]?.message ?? 'invalid');
    } else if (key.startsWith(haKeys.prefix)) {
      const record = readRecord(key, json(value));
      if (record === undefined) return;
      records.set(key, { value: record, revision: modRevision });
      if (record.kind === 'corrupt') reasons.set(key, record.reason);
    }
  };

  // Only hosts with a member of the store have an agent that takes part so far: the others are given nothing, refuse nobody
  // and are never taken for lost.
  const members = (): Member[] =>
    [...hosts.values()]
      .filter(({ etcdMember }) => etcdMember)
      .map(({ id, name }) => ({ id, name, memoryMiB: 0 }))
      .sort((a, b) => (a.id < b.id ? -1 : 1));
  const volumes = (): Volume[] => {
    // A brick of a host that is not known is nobody's: it counts as one that refuses nobody.
    const ownerOf = (address: string) =>
      ([...hosts.values()].find((host) => host.storageAddress === address || host.address === address)?.id ??
        address) as HostId;
    return [...bricks.values()].map(({ name, layout, addresses }) => ({
      name,
      replicaSets: setsOf(addresses.map(ownerOf), layout === 'single' ? 1 : bricksInSet),
    }));
  };

  return {
    replace(kvs) {
      for (const key of [
        ...texts.keys(),
        ...records.keys(),
        ...hosts.keys(),
        ...bricks.keys(),
        ...devices.keys(),
      ])
        forget(key);
      specs.clear();
      reasons.clear();
      engineAddress = undefined;
      for (const kv of kvs) take(kv);
      isRead = true;
      view = undefined;
    },
    apply(events) {
      for (const event of events) {
        if (event.kind === 'delete') forget(event.key);
        else take(event.kv);
      }
      view = undefined;
    },
    view() {
      if (!isRead) return undefined;
      view ??= makeView({ members: members(), volumes: volumes() }, records);
      return view;
    },
    peers: () =>
      [...hosts.values()]
        .filter(({ etcdMember }) => etcdMember)
        .map(({ id, name, role, address, storageAddress }) => ({
          id,
          name,
          role,
          addresses: address === storageAddress ? [address] : [address, storageAddress],
        })),
    spec: (vm) => specs.get(vm),
    fenceDevicesOf: (host) => [...devices.values()].filter((device) => device.host === host),
    probeKey: () => texts.get(haKeys.probeKey),
    engineAddress: () => engineAddress,
    lastNotes: (count) =>
      [...texts]
        .filter(([key]) => key.startsWith(haKeys.timeline))
        .sort(([a], [b]) => (a < b ? -1 : 1))
        .slice(-count)
        .flatMap(([, text]) => haNoteSchema.safeParse(json(text)).data ?? []),
    notesOf: (host) =>
      [...texts.keys()].filter((key) => key.startsWith(haKeys.timeline) && key.includes(`-${host}-`)).sort(),
    unreadable: () => reasons,
  };
}

/** In the order of the bricks: [a b c d e f] are two sets of three. */
function setsOf(hosts: readonly HostId[], size: number): HostId[][] {
  const sets: HostId[][] = [];
  for (let at = 0; at < hosts.length; at += size) sets.push(hosts.slice(at, at + size));
  return sets;
}
