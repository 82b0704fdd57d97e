import { type FenceRoutes, fenceRoutes } from '../api/routes-fence.ts';
import { clusterHostSchema } from '../contract/cluster.ts';
import { etcdKeys } from '../contract/etcd.ts';
import { type FenceDevice, fenceDeviceSchema, fenceHealthSchema, fenceKeys } from '../contract/fence.ts';
import { type HaNote, haKeys, haLeaderSchema, haReportSchema } from '../contract/ha.ts';
import { type EtcdClient, makeEtcdClient } from '../etcd/client.ts';
import { makeRecords } from '../etcd/records.ts';
import { localClientUrl } from '../etcd/server-config.ts';
import { makeTransport } from '../etcd/transport.ts';
import { makeAgents } from '../fence/agent.ts';
import { makeHealth } from '../fence/health.ts';
import { openSealed } from '../fence/secrets.ts';
import { type Base, every } from './base.ts';

/** Whether a device is due is looked at this often; the devices themselves are asked once an hour. */
const lookMs = 60_000;
/** Notes are counted by who writes them; `trefoil-ha` counts its own from 0, and takes away the oldest of all. */
const firstNote = 1_000_000;

export type FencePart = { handlers: FenceRoutes; start(): void };

export function wireFence(base: Base): FencePart {
  const { identity, log, run, clock, now } = base;
  const agents = makeAgents({ run });
  const openSecrets = (device: FenceDevice) =>
    openSealed({ host: identity.id, privateKeyPem: identity.tls().key }, device.id, device.secrets);
  let client: EtcdClient | undefined;
  let notes = 0;
  const health = makeHealth({
    own: identity.id,
    agents,
    clock,
    now,
    log,
    openSecrets,
    look: async () => look(clientOf(client)),
    note: async (told, signal) => {
      const note: HaNote = { v: 1, at: now().toISOString(), by: identity.id, ...told };
      notes += 1;
      const key = haKeys.note(note.at, identity.id, firstNote + notes);
      await clientOf(client).put(key, JSON.stringify(note), { signal });
    },
    write: async (record, signal) => {
      await clientOf(client).put(fenceKeys.health(record.device), JSON.stringify(record), { signal });
    },
    remove: async (id, signal) => {
      await clientOf(client).delete(fenceKeys.health(id), { signal });
    },
  });

  /** Only hosts that are members of etcd look: the others are never chosen. */
  const tick = async () => {
    const { ca, certificate, key } = identity.tls();
    if (ca === undefined) return;
    client = makeEtcdClient(
      { transport: makeTransport({ ca, cert: certificate, key }), clock },
      { endpoints: [localClientUrl] },
    );
    try {
      await health.tick(base.retry.signal);
    } finally {
      await client.close();
    }
  };
  let ticking = false;

  return {
    handlers: fenceRoutes({ agents, identity, log, monotonicMs: () => clock.now() }),
    start: () =>
      every(base, lookMs, 'fence devices', async () => {
        // devices that do not answer take longer than a look's time
        if (ticking) return;
        ticking = true;
        try {
          await tick();
        } finally {
          ticking = false;
        }
      }),
  };
}

function clientOf(client: EtcdClient | undefined): EtcdClient {
  if (client === undefined) throw new Error('the store is asked outside of a look');
  return client;
}

async function look(client: EtcdClient) {
  const list = async <T>(records: { list(): Promise<{ records: { value: T }[] }> }): Promise<T[]> =>
    (await records.list()).records.map(({ value }) => value);
  const [hosts, reports, devices, healths, leader] = await Promise.all([
    list(makeRecords(client, { name: 'host', prefix: etcdKeys.hosts, schema: clusterHostSchema })),
    list(makeRecords(client, { name: 'report', prefix: haKeys.report(''), schema: haReportSchema })),
    list(makeRecords(client, { name: 'fence device', prefix: fenceKeys.devices, schema: fenceDeviceSchema })),
    list(makeRecords(client, { name: 'fence health', prefix: fenceKeys.healths, schema: fenceHealthSchema })),
    client.get(haKeys.leader),
  ]);
  return {
    view: {
      members: hosts.filter(({ etcdMember }) => etcdMember).map(({ id }) => id),
      online: reports.map(({ host }) => host),
      leader: leader === undefined ? undefined : haLeaderSchema.safeParse(parsed(leader.value)).data?.host,
    },
    devices,
    healths,
    names: new Map(hosts.map(({ id, name }) => [id, name])),
  };
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
