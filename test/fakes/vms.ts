import { randomUUID } from 'node:crypto';
import { PassThrough } from 'node:stream';
import { makeNodeClient, type NodeClient } from '../../node/contract/client.ts';
import { AppError } from '../../node/contract/error.ts';
import type { NodeEvent } from '../../node/contract/events.ts';
import { type HostId, hostIdSchema, taskIdSchema } from '../../node/contract/ids.ts';
import { type VmPut, vmExpectSchema, vmPutSchema } from '../../node/contract/vms.ts';
import { libvirtClient } from '../../node/libvirt/client.ts';
import { Link } from '../../node/libvirt/link.ts';
import type { Caller } from '../../node/libvirt/transport.ts';
import { silentLog } from '../../node/log/log.ts';
import { makeTasks, type Tasks } from '../../node/tasks/registry.ts';
import { type Book, makeBook } from '../../node/vms/book.ts';
import { domainXml } from '../../node/vms/domain-xml.ts';
import { type Follow, makeFollow } from '../../node/vms/follow.ts';
import { type Incoming, makeIncoming } from '../../node/vms/incoming.ts';
import { metadataNamespace, readMetadata } from '../../node/vms/metadata.ts';
import { type Migrate, makeMigrate } from '../../node/vms/migrate.ts';
import { hostPaths, type VmPaths } from '../../node/vms/paths.ts';
import type { Peer } from '../../node/vms/peer.ts';
import type { SpecStore, VmRecord } from '../../node/vms/spec-store.ts';
import { makeVms, type Vms } from '../../node/vms/vms.ts';
import { type FakeClock, makeFakeClock } from './clock.ts';
import { FakeLibvirt, type FakeLibvirtOptions } from './libvirt/server.ts';
import { FakeWorld, Refusal } from './libvirt/world.ts';

/** The room `vms` of one host over a fake libvirt, put together as the agent does, with a clock that goes when told. */
export type FakeRoom = {
  hostId: HostId;
  libvirt: FakeLibvirt;
  world: FakeWorld;
  book: Book;
  vms: Vms;
  follow: Follow;
  migrate: Migrate;
  incoming: Incoming;
  tasks: Tasks;
  time: FakeClock;
  /** what is on this host's disk; survives `close` */
  disk: Map<string, VmRecord>;
  events: NodeEvent[];
  /** `off starting running` of one VM, as others were told */
  told(id: string): string;
  notices(): string[];
  prepared: string[];
  cleaned: string[];
  histories: Map<string, string>;
  /** faults of the way to other hosts, by route: thrown instead of asking, or after the other host has done it */
  wayFaults: Map<string, { error: AppError; when: 'before' | 'after'; times: number }>;
  others: Map<string, FakeRoom>;
  link: Link;
  close(): Promise<void>;
};

export type FakeRoomOptions = FakeLibvirtOptions & {
  /** a real daemon instead of the fake one, with folders that it can reach */
  real?: { socketPath: string; paths: VmPaths };
  disk?: Map<string, VmRecord>;
  hostId?: HostId;
  bootId?: string;
  prepare?: () => Promise<void>;
  accelerator?: 'kvm' | 'tcg';
};

const metadataElement = (xml: string): string => /<trefoil:vm.*<\/trefoil:vm>/s.exec(xml)?.[0] ?? '';

export async function openFakeRoom(options: FakeRoomOptions = {}): Promise<FakeRoom> {
  const world = options.world ?? new FakeWorld();
  world.handlers.getMetadata ??= ({ domain }) => {
    const metadata = metadataElement(world.domains.get(domain.uuid)?.xml ?? '');
    if (metadata === '') throw new Refusal({ code: 80, message: 'metadata not found' });
    return { metadata };
  };
  world.handlers.abortJob ??= () => ({});
  const libvirt = await FakeLibvirt.start({ ...options, world });
  const socket = { socketPath: options.real?.socketPath ?? libvirt.socketPath, uri: 'qemu:///system' };
  const time = makeFakeClock();
  const { clock } = time;
  const log = silentLog;
  const now = () => new Date('2026-01-02T03:04:05Z');
  const disk = options.disk ?? new Map<string, VmRecord>();
  const store: SpecStore = {
    load: async () => ({ records: [...disk.values()], damaged: [] }),
    save: async (record) => void disk.set(record.spec.id, record),
    remove: async (id) => void disk.delete(id),
  };
  const events: NodeEvent[] = [];
  const publish = (event: NodeEvent) => void events.push(event);
  const notice = (severity: 'info' | 'warning' | 'error', code: string, message: string) =>
    publish({ kind: 'notice', at: now().toISOString(), severity, code, message });
  const paths = options.real?.paths ?? hostPaths('/state', '/run', '/log');
  const book = makeBook({ store, bootId: options.bootId ?? 'boot-1', publish, log });
  const tasks = makeTasks({
    newId: () => taskIdSchema.parse(randomUUID()),
    now,
    log,
    changed: (task) => publish({ kind: 'task', task }),
  });
  const caller: Caller = { call: (procedure, args, how) => link.call(procedure, args, how) };
  const client = libvirtClient(caller);
  const prepared: string[] = [];
  const cleaned: string[] = [];
  const histories = new Map<string, string>();
  const others = new Map<string, FakeRoom>();
  const wayFaults: FakeRoom['wayFaults'] = new Map();
  const hostId = options.hostId ?? hostIdSchema.parse(randomUUID());
  const hostName = () => `host-${hostId.slice(0, 4)}`;
  const accelerator = async () => options.accelerator ?? ('tcg' as const);
  const prepare = async ({ name }: { name: string }) => {
    await options.prepare?.();
    prepared.push(name);
  };
  const vms = makeVms({
    book,
    libvirt: client,
    accelerator,
    domainXml: (metadata) => domainXml(metadata, { paths, bridgeOf: (name) => `br-${name}` }),
    prepare,
    cleanUp: async ({ name }) => void cleaned.push(name),
    clock,
    now,
  });
  const follow = makeFollow({
    book,
    libvirt: client,
    metadataOf: async (from, ref) => readMetadata(await from.metadata(ref, metadataNamespace)),
    notice,
    jobCompleted: (id, numbers) => migrate.completed(id, numbers),
    clock,
    now,
    log,
  });
  const migrate = makeMigrate({
    book,
    tasks,
    paths,
    hostId,
    hostName,
    libvirt: client,
    withOwnLibvirt: (body) => body(client),
    peer: (to) => fakePeer(room, to.hostId),
    relay: async () => ({ connections: 0, close: async () => {} }),
    serialLog: async (id) => Buffer.from(`history of ${id}`),
    notice,
    clock,
    log,
  });
  const incoming = makeIncoming({
    book,
    libvirt: client,
    accelerator,
    bridgeOf: (network) => {
      if (network === 'nowhere')
        throw new AppError({ code: 'network.no-bridge', family: 'conflict', message: 'No such network.' });
      return `br-${network}`;
    },
    prepare,
    forgetLog: async () => {},
    writeHistory: async (id, history) => void histories.set(id, history.toString()),
    openLibvirt: async () => new PassThrough(),
    openMemory: async () => new PassThrough(),
    hostName,
    clock,
    log,
  });
  for (const record of (await store.load()).records) book.add(record);
  const link: Link = new Link(
    { log },
    {
      ...socket,
      events: ['lifecycle', 'reboot', 'io-error-reason', 'job-completed'],
      waitMs: 5_000,
      retryMs: { first: 10, longest: 50 },
    },
    {
      resync: (from) => follow.resync(libvirtClient(from)),
      event: follow.event,
      down: follow.down,
      up: follow.up,
    },
  );
  const room: FakeRoom = {
    hostId,
    libvirt,
    world,
    book,
    vms,
    follow,
    migrate,
    incoming,
    tasks,
    time,
    disk,
    events,
    told: (id) =>
      events
        .flatMap((event) => {
          if (event.kind === 'vm' && event.status.id === id) return [event.status.state];
          return event.kind === 'vm-gone' && event.id === id ? ['gone'] : [];
        })
        .filter((state, index, all) => state !== all[index - 1])
        .join(' '),
    notices: () => events.flatMap((event) => (event.kind === 'notice' ? [event.code] : [])),
    prepared,
    cleaned,
    histories,
    wayFaults,
    others,
    link,
    close: async () => {
      let closed = false;
      const closing = tasks.close().then(() => {
        closed = true;
      });
      // Whoever still waits for libvirt or for the clock is let go.
      await link.close();
      while (!closed) await time.advance(1_000);
      await closing;
      await libvirt.stop();
    },
  };
  // Whatever is asked first waits for this: the link is up when libvirt was read once.
  await client.listDomains().catch(() => {});
  return room;
}

const unreachable = (): AppError =>
  new AppError({ code: 'host.unreachable', family: 'unavailable', message: 'The other host is silent.' });

function fakePeer(from: FakeRoom, to: HostId): Peer {
  const client: NodeClient = makeNodeClient(async ({ method, path, body }) => {
    const other = from.others.get(to);
    if (other === undefined) throw unreachable();
    const [, , , id = '', what = ''] = path.split('/');
    const fault = from.wayFaults.get(`${method} ${what}`);
    const strike = (when: 'before' | 'after') => {
      if (fault === undefined || fault.when !== when || fault.times <= 0) return;
      fault.times -= 1;
      throw fault.error;
    };
    strike('before');
    try {
      const reply = await answer(other, from.hostId, `${method} ${what}`, id, body);
      strike('after');
      return { status: reply === undefined ? 204 : 200, body: reply };
    } catch (error) {
      if (!(error instanceof AppError) || error === fault?.error) throw error;
      return { status: 409, body: error.toBody() };
    }
  });
  return { client, tunnel: async () => new PassThrough() };
}

async function answer(other: FakeRoom, hostId: HostId, route: string, id: string, body: unknown) {
  switch (route) {
    case 'PUT incoming':
      return other.incoming.expect(id, hostId, vmExpectSchema.parse(body));
    case 'DELETE incoming':
      await other.incoming.forget(id, hostId);
      return undefined;
    case 'PUT serial-history':
      await other.incoming.takeHistory(
        id,
        hostId,
        Buffer.from((body as { base64: string }).base64, 'base64'),
      );
      return undefined;
    default:
      throw new AppError({ code: 'route.missing', family: 'missing', message: route });
  }
}

/** Two hosts that know each other, and whose libvirts can move a domain from one to the other. */
export function acquaint(one: FakeRoom, other: FakeRoom): void {
  for (const [from, to] of [
    [one, other],
    [other, one],
  ] as const) {
    from.others.set(to.hostId, to);
    from.world.handlers.perform3 = ({ domain }) => {
      arrive(from, to, domain.uuid);
      from.world.stop(domain.uuid, 'migrated');
      return { cookie: new Uint8Array(0) };
    };
  }
}

/** The domain is on the target now, as libvirt does it: first standing still, then going on. */
export function arrive(from: FakeRoom, to: FakeRoom, uuid: string, how: 'whole' | 'half' = 'whole'): void {
  const domain = from.world.domains.get(uuid);
  if (domain === undefined) throw new Error('there is no such domain');
  const ref = { ...domain.ref, id: domain.ref.id + 100 };
  to.world.domains.set(uuid, { ...domain, ref, state: 3, reason: 2 });
  to.world.emit({ kind: 'lifecycle', callbackId: 0, domain: ref, event: 2, detail: 1 });
  if (how === 'half') return;
  to.world.domains.set(uuid, { ...domain, ref, state: 1, reason: 2 });
  to.world.emit({ kind: 'lifecycle', callbackId: 0, domain: ref, event: 4, detail: 1 });
}

export const sampleVm = (change: Record<string, unknown> = {}): VmPut =>
  vmPutSchema.parse({
    generation: 1,
    power: 'running',
    spec: {
      id: '11111111-2222-4333-8444-555555555555',
      name: 'web',
      cpus: 2,
      memoryMiB: 512,
      disks: [{ serial: 'a', volume: 'data', path: 'disks/a.qcow2', format: 'qcow2', bootOrder: 1 }],
      nics: [{ mac: '52:54:00:00:00:01', network: 'mgmt' }],
    },
    ...change,
  });
