import { PassThrough } from 'node:stream';
import { staticFiles } from '../../engine/api/static.ts';
import { loadCluster } from '../../engine/cluster/store.ts';
import { type EngineClient, makeEngineClient, makeFetchSend } from '../../engine/contract/client.ts';
import type { EngineSeed } from '../../engine/contract/seed.ts';
import type { Database } from '../../engine/db/database.ts';
import { type Engine, startEngine } from '../../engine/engine.ts';
import type { HostsPatience } from '../../engine/hosts/hosts.ts';
import type { HostLink, OpenLink } from '../../engine/hosts/port.ts';
import type { AnyJobKind } from '../../engine/jobs/kind.ts';
import { type Log, silentLog } from '../../engine/log/log.ts';
import { importSeed } from '../../engine/seed/seed.ts';
import { hashPassword } from '../../engine/users/password.ts';
import { AppError } from '../../node/contract/error.ts';
import { etcdKeys } from '../../node/contract/etcd.ts';
import type { NodeEvent } from '../../node/contract/events.ts';
import { haKeys } from '../../node/contract/ha.ts';
import { clientOf } from '../fakes/hosts/dispatch.ts';
import { streamEvents } from '../fakes/hosts/events.ts';
import { type FenceHealthAgents, startFenceHealth } from '../fakes/hosts/fence-health.ts';
import { type FormedWorld, formWorld } from '../fakes/hosts/formed.ts';
import { type HaAgents, startHaAgents } from '../fakes/hosts/ha.ts';
import { addImage } from '../fakes/hosts/handlers-storage.ts';
import { type FakeHost, type FakeWorld, hostById, makeFakeWorld } from '../fakes/hosts/model.ts';
import { makeTestCa, type TestCa } from './certificates.ts';
import { eventually } from './eventually.ts';
import { memoryStore } from './memory-store.ts';

export const adminPassword = 'eleven blue herons';
/** What a login costs is tested where logins are. */
const passwordCost = 1024;
let adminHash: Promise<string> | undefined;

export type Formed = {
  world: FakeWorld;
  formed: FormedWorld;
  ca: TestCa;
  agents: HaAgents & Pick<FenceHealthAgents, 'askAll'>;
};

/** Three formed hosts in memory (and `more` unjoined ones), as formation leaves them. */
export async function formedHosts(options: { pace?: number; more?: number } = {}): Promise<Formed> {
  const alike = (index: number) => ({
    name: `host${index}`,
    address: `10.77.0.${10 + index}`,
    code: `PA1RC0D${index}`,
  });
  const world = await makeFakeWorld([alike(1), alike(2), alike(3)], { pace: options.pace ?? 0 });
  const ca = await makeTestCa();
  const formed = await formWorld(world, ca);
  const others = await makeFakeWorld(
    Array.from({ length: options.more ?? 0 }, (_, index) => alike(4 + index)),
  );
  world.hosts.push(...others.hosts);
  const members = formed.hosts.slice(0, 3).map(({ name, address }) => ({ name, address }));
  for (const host of world.hosts.slice(0, 3))
    await clientOf(world, host, 'installer').call('putEtcd', {
      body: {
        generation: 1,
        name: host.options.name,
        address: host.options.address,
        members,
        initialState: 'new',
        clusterToken: 'practice-token',
      },
    });
  declare(world, formed, ca);
  declareEngine(world, formed);
  const [ha, fence] = [startHaAgents(world), startFenceHealth(world)];
  const stop = () => {
    ha.stop();
    fence.stop();
  };
  return { world, formed, ca, agents: { askAll: fence.askAll, stop } };
}

/** The engine's VM is an HA VM like others, with the highest priority; formation says so and has started it. */
function declareEngine(world: FakeWorld, { engineVmId }: FormedWorld): void {
  const [host] = world.hosts;
  const vm = [...(host?.kept.vms.values() ?? [])].find(({ spec }) => spec.id === engineVmId);
  if (host === undefined || vm === undefined) throw new Error('the engine’s VM does not run');
  const { spec, generation } = vm;
  const { id, name, memoryMiB } = spec;
  vm.ha = { epoch: 1 };
  const record = {
    v: 1,
    id,
    name,
    generation,
    wanted: 'running',
    priority: 1000,
    memoryMiB,
    volumes: ['engine'],
  };
  world.etcd.set(haKeys.vm(id), JSON.stringify(record));
  world.etcd.set(haKeys.spec(id), JSON.stringify({ v: 1, id, generation, spec }));
  const why = 'formation has started it';
  const assignment = { v: 1, vm: id, host: host.id, epoch: 1, state: 'given', generation, failedOn: [], why };
  world.etcd.set(haKeys.assignment(id), JSON.stringify(assignment));
}

/** What formation writes into the cluster's store. */
function declare(world: FakeWorld, formed: FormedWorld, ca: TestCa): void {
  world.etcd.set(etcdKeys.caCertificate, ca.certificate);
  world.etcd.set(etcdKeys.caKey, ca.key);
  for (const { name, put } of world.volumes.values())
    world.etcd.set(
      etcdKeys.volume(name),
      JSON.stringify({ name, layout: put.layout.kind, forVms: name === 'data', bricks: put.bricks }),
    );
  for (const host of formed.hosts)
    world.etcd.set(
      etcdKeys.host(host.id),
      JSON.stringify({ ...host, role: 'full', etcdMember: true, joinedAt: new Date().toISOString() }),
    );
}

/** Links without a network between: what goes wrong is said by the simulated hosts. */
export const memoryLinks =
  (world: FakeWorld): OpenLink =>
  ({ id, name }): HostLink => {
    const host = hostById(world, id);
    if (host === undefined) throw new Error(`there is no simulated host ${name}`);
    return {
      client: joinedClient(world, host),
      events: (signal) => eventsOf(world, host, signal),
      upgrade: async () => new PassThrough(),
      getText: async (path) => {
        const vm = [...host.kept.vms.values()].find(({ spec }) => path.includes(spec.id));
        return vm?.serial ?? '';
      },
      putStream: async (path, body) => {
        const url = new URL(path, 'https://host');
        let size = 0;
        for await (const chunk of body) size += chunk.byteLength;
        addImage(world, host, {
          id: url.pathname.split('/').at(-1) ?? '',
          name: url.searchParams.get('name') ?? '',
          volume: url.searchParams.get('volume') ?? '',
          format: url.searchParams.get('format') === 'raw' ? 'raw' : 'qcow2',
          sizeMiB: Math.ceil(size / 1024 / 1024),
        });
      },
      close: async () => {},
    };
  };

const away = (host: FakeHost): AppError =>
  new AppError({
    code: 'host.unreachable',
    family: 'unavailable',
    message: `${host.options.name} does not answer.`,
  });

/** A host that has not joined shows a certificate that nobody trusts: to the engine it does not answer. */
function joinedClient(world: FakeWorld, host: FakeHost): HostLink['client'] {
  const client = clientOf(world, host, 'engine');
  return {
    call: async (...args) => {
      if (host.kept.join === undefined) throw away(host);
      return client.call(...args);
    },
  };
}

async function* eventsOf(world: FakeWorld, host: FakeHost, signal: AbortSignal): AsyncGenerator<NodeEvent> {
  const queue: NodeEvent[] = [];
  let wake = () => {};
  const end = await streamEvents(
    world,
    host,
    (event) => {
      queue.push(JSON.parse(JSON.stringify(event)));
      wake();
    },
    100,
  );
  try {
    for (;;) {
      signal.throwIfAborted();
      if (!host.powered || host.kept.join === undefined) throw away(host);
      const event = queue.shift();
      if (event !== undefined) {
        yield event;
        continue;
      }
      await new Promise<void>((resolve) => {
        wake = resolve;
        setTimeout(resolve, 50).unref();
        signal.addEventListener('abort', () => resolve(), { once: true });
      });
    }
  } finally {
    end();
  }
}

export async function seedOf({ formed, ca }: Formed): Promise<EngineSeed> {
  adminHash ??= hashPassword(adminPassword, passwordCost);
  return {
    format: 1,
    generation: 1,
    cluster: { id: formed.clusterId, name: formed.clusterName },
    network: { address: '10.77.0.100/24', dns: [], hostName: 'engine' },
    tls: { caCertificate: ca.certificate, certificate: 'none', key: 'none' },
    admin: { name: 'admin', passwordHash: await adminHash },
    // Ids of the simulated hosts are ids of hosts.
    hosts: formed.hosts as EngineSeed['hosts'],
    etcd: { endpoints: ['https://10.77.0.11:2379'] },
    timeServers: [],
    networks: [{ name: 'mgmt', bridge: 'br-mgmt' }],
    volumes: [
      { name: 'engine', forVms: false },
      { name: 'data', forVms: true },
    ],
  };
}

export type TestEngine = {
  engine: Engine;
  database: Database;
  world: FakeWorld;
  formed: FormedWorld;
  agents: Formed['agents'];
  /** a client that is logged in as the administrator */
  client: EngineClient;
  token: string;
  fetch: typeof globalThis.fetch;
  /** the engine dies; another one starts on what it left */
  restart(): Promise<TestEngine>;
  stop(): Promise<void>;
};

/** An engine with simulated hosts and an embedded database, whole but for the network. */
export async function testEngine(
  database: Database,
  given: Formed,
  options: {
    log?: Log;
    wrapJobs?: (kinds: AnyJobKind[]) => AnyJobKind[];
    uiDirectory?: string;
    hostsPatience?: HostsPatience;
    /** of a session that is there already: a login costs a moment */
    token?: string;
  } = {},
): Promise<TestEngine> {
  const { world, formed, ca } = given;
  await importSeed(database.db, await seedOf(given), new Date(), silentLog);
  const cluster = await loadCluster(database.db);
  if (cluster === undefined) throw new Error('the seed was not imported');
  const engine = await startEngine({
    database,
    cluster,
    openLink: memoryLinks(world),
    store: memoryStore(world.etcd),
    caCertificate: ca.certificate,
    files: staticFiles(options.uiDirectory ?? '/nonexistent'),
    log: options.log ?? silentLog,
    version: '0.1.0',
    passwordCost,
    ...(options.hostsPatience === undefined ? {} : { hostsPatience: options.hostsPatience }),
    ...(options.wrapJobs === undefined ? {} : { wrapJobs: options.wrapJobs }),
  });
  const fetch = (async (url: string, init?: RequestInit) =>
    engine.app.fetch(new Request(new URL(url, 'https://engine'), init), {
      address: '10.77.0.1',
    })) as typeof globalThis.fetch;
  let token = options.token ?? '';
  const client = makeEngineClient(makeFetchSend({ fetch, token: () => token }));
  if (token === '') {
    const body = { name: 'admin', password: adminPassword };
    token = (await client.call('createSession', { body })).token ?? '';
  }
  await eventually('all powered hosts to be online', () => {
    const powered = engine.hosts.all().filter(({ record }) => hostById(world, record.id)?.powered === true);
    return powered.every(({ state }) => state === 'online');
  });
  return {
    engine,
    database,
    world,
    formed,
    agents: given.agents,
    client,
    token,
    fetch,
    restart: async () => {
      await engine.stop();
      return testEngine(database, given, { ...options, token });
    },
    async stop() {
      await engine.stop();
      given.agents.stop();
    },
  };
}

/** Waits for a job's end and gives its last state. */
export async function endOf(client: EngineClient, id: string) {
  return eventually(
    `job ${id} to end`,
    async () => {
      const job = await client.call('getJob', { params: { id } });
      return job.endedAt !== undefined && job;
    },
    { deadlineMs: 15_000, everyMs: 10 },
  );
}
