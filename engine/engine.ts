import { setTimeout as delay } from 'node:timers/promises';
import type { Hono } from 'hono';
import { AppError } from '../node/contract/error.ts';
import type { HostId, VmId } from '../node/contract/ids.ts';
import { makeApp } from './api/app.ts';
import { makeConsole, type UpgradeHandler } from './api/console.ts';
import type { ApiBindings } from './api/mount.ts';
import type { StaticFiles } from './api/static.ts';
import { ClusterFacts } from './cluster/facts.ts';
import type { ClusterStore } from './cluster/port.ts';
import { type ClusterRecord, loadNetworks, loadVolumes } from './cluster/store.ts';
import type { EngineStatus } from './contract/engine.ts';
import type { Health } from './contract/health.ts';
import { apiExtensions } from './contract/routes.ts';
import type { Database } from './db/database.ts';
import { recordEvent } from './events/events.ts';
import { eventRoutes } from './events/routes.ts';
import type { EventSubject, NewEvent } from './events/store.ts';
import { fenceRoutes } from './fence/routes.ts';
import { FenceSecrets } from './fence/secrets.ts';
import { HaMirror } from './ha/mirror.ts';
import { haRoutes } from './ha/routes.ts';
import { TimelineEvents } from './ha/timeline.ts';
import { Hosts, type HostsPatience } from './hosts/hosts.ts';
import { addHostJob } from './hosts/job-add.ts';
import type { OpenLink } from './hosts/port.ts';
import { hostRoutes } from './hosts/routes.ts';
import { listHosts } from './hosts/store.ts';
import type { AnyJobKind } from './jobs/kind.ts';
import { jobRoutes } from './jobs/routes.ts';
import { Jobs } from './jobs/runner.ts';
import { Changes } from './live/changes.ts';
import { makeHub } from './live/hub.ts';
import type { Log } from './log/log.ts';
import { engineLoops } from './loops/engine-loops.ts';
import { Loops } from './loops/loops.ts';
import type { MaintenanceEnv } from './maintenance/facts.ts';
import { maintenanceJob } from './maintenance/job.ts';
import { maintenanceRoutes } from './maintenance/routes.ts';
import { makeHealth } from './overview/health.ts';
import { overviewRoutes } from './overview/routes.ts';
import { Images, imageView } from './storage/images.ts';
import { deleteImageJob } from './storage/job-delete-image.ts';
import { storageRoutes } from './storage/routes.ts';
import { makeLimiter } from './users/limiter.ts';
import { sessionRoutes } from './users/routes.ts';
import { Sessions } from './users/sessions.ts';
import { Catalog } from './vms/catalog.ts';
import { Tickets } from './vms/console.ts';
import { hostKey, type VmsEnv, vmKey } from './vms/env.ts';
import { vmJobs } from './vms/jobs.ts';
import { Reconciler } from './vms/reconcile.ts';
import { vmRoutes } from './vms/routes.ts';
import { heed, heedHa } from './world/heed.ts';
import { World } from './world/world.ts';

export type EngineOptions = {
  database: Database;
  openLink: OpenLink;
  store: ClusterStore;
  cluster: ClusterRecord;
  /** PEM, of the cluster's authority */
  caCertificate: string;
  files: StaticFiles;
  log: Log;
  version: string;
  now?: () => Date;
  /** shorter, cheaper: for tests that are about something else */
  hostsPatience?: HostsPatience;
  passwordCost?: number;
  /** tests look into each kind of job, or break it */
  wrapJobs?: (kinds: AnyJobKind[]) => AnyJobKind[];
};

export type Engine = {
  app: Hono<ApiBindings>;
  onUpgrade: UpgradeHandler;
  jobs: Jobs;
  hosts: Hosts;
  catalog: Catalog;
  health(): Promise<Health>;
  stop(): Promise<void>;
};

/** So long jobs of an earlier engine wait for hosts to answer before they go on. */
const hostsSettleMs = 10_000;

/**
 * Puts the rooms together. Nothing here decides anything. Order of the start: records from the database, hosts are
 * connected to, jobs of an earlier engine go on, loops begin; a crash leaves nothing but rows, and the same start again
 * takes them up.
 */
export async function startEngine(options: EngineOptions): Promise<Engine> {
  const { database, log, version, cluster } = options;
  const { db } = database;
  const now = options.now ?? (() => new Date());
  const sleep = (ms: number, signal: AbortSignal) => delay(ms, undefined, { signal });
  const startedAt = now();
  const stopping = new AbortController();
  const hub = makeHub();
  const changes = new Changes();
  const loops = new Loops({ log, now });
  let started = false;

  const record = (event: NewEvent) =>
    recordEvent({ db, log, now, told: (kept) => hub.tell({ kind: 'event', event: kept }) }, event);
  const catalog: Catalog = new Catalog(db, (id) => world.tellVm(id));
  /** Something that concerns a VM is other than it was. */
  const touched = (id: VmId): void => {
    changes.notify(vmKey(id));
    world.tellVm(id);
    reconciler.wake(id);
  };
  const hosts: Hosts = new Hosts({
    open: options.openLink,
    log,
    now,
    sleep,
    ...(options.hostsPatience === undefined ? {} : { patience: options.hostsPatience }),
    ...heed({
      changes,
      catalog,
      world: () => world,
      touched,
      record,
      ask: () => {
        for (const name of ['images', 'etcd', 'cluster-document', 'fence-secrets']) loops.wake(name);
      },
    }),
  });
  const facts = new ClusterFacts({
    networks: await loadNetworks(db),
    volumes: await loadVolumes(db),
    store: options.store,
    hosts,
  });
  const subjectOf = (id: string): EventSubject | undefined => {
    // What is no id of a host, or of a VM, is not found.
    const host = hosts.get(id as HostId);
    if (host !== undefined) return { kind: 'host', id, name: host.record.name };
    const vm = catalog.get(id as VmId);
    return vm === undefined ? undefined : { kind: 'vm', id, name: vm.name };
  };
  const timeline = new TimelineEvents({
    db,
    log,
    told: (event) => hub.tell({ kind: 'event', event }),
    subjectOf,
  });
  const mirror: HaMirror = new HaMirror({
    store: options.store,
    log,
    changed: heedHa({
      touched,
      tellHost: (id) => {
        changes.notify(hostKey(id));
        const entry = hosts.get(id);
        if (entry !== undefined) world.tellHost(entry);
      },
      tellHa: () => world.tellHa(),
      notes: () => void timeline.take(mirror.view()),
    }),
  });
  const fenceSecrets = new FenceSecrets({
    hosts,
    store: options.store,
    view: mirror.view,
    isCurrent: () => mirror.state().current,
    log,
  });
  const vmsEnv: VmsEnv = {
    ha: { store: options.store, mirror },
    catalog,
    hosts,
    changes,
    log,
    sleep,
    record,
    candidates: () => world.candidates(),
    quiet: (id) => reconciler.quiet(id),
  };
  const reconciler: Reconciler = new Reconciler({
    ...vmsEnv,
    now,
    // Until the jobs of an earlier engine are taken up, any VM may have one.
    busy: (id) => !started || jobs.activeOn(vmKey(id)) !== undefined,
  });
  const world: World = new World({
    hosts,
    catalog,
    facts,
    hub,
    mirror,
    recipientKeys: fenceSecrets.keys,
    jobOn: (lock) => jobs.activeOn(lock),
    strays: reconciler.strays,
    twice: reconciler.twice,
  });
  const images: Images = new Images({
    db,
    hosts,
    now,
    tell: (id) =>
      hub.publish(`image:${id}`, () => {
        const record = images.get(id);
        return record === undefined
          ? { kind: 'image-gone', id }
          : { kind: 'image', image: imageView(record) };
      }),
  });
  const maintenanceEnv: MaintenanceEnv = {
    ...vmsEnv,
    facts,
    volumes: world.volumes,
    view: world.vm,
    jobs: () => jobs,
    now,
  };
  const kinds = [
    ...vmJobs(vmsEnv),
    maintenanceJob(maintenanceEnv),
    deleteImageJob({ hosts, images, sleep }),
    addHostJob({
      db,
      hosts,
      changes,
      store: options.store,
      cluster: () => cluster,
      caCertificate: options.caCertificate,
      volumes: () => facts.volumes.map(({ name }) => name),
      now,
      sleep,
    }),
  ];
  const jobs: Jobs = new Jobs(
    {
      db,
      log,
      now,
      sleep,
      changed(job, locks) {
        hub.publish(`job:${job.id}`, () => ({ kind: 'job', job }));
        if (job.kind === 'host.add' && job.endedAt !== undefined) loops.wake('fence-secrets');
        for (const entry of hosts.all()) if (locks.includes(`host:${entry.record.id}`)) world.tellHost(entry);
        for (const lock of locks) {
          const vm = catalog.byKey(lock);
          if (vm === undefined) continue;
          world.tellVm(vm.id);
          if (job.endedAt !== undefined) reconciler.wake(vm.id);
        }
      },
      told: (event) => hub.tell({ kind: 'event', event }),
    },
    options.wrapJobs?.(kinds) ?? kinds,
  );
  const sessions = new Sessions({
    db,
    now,
    limiter: makeLimiter(() => now().getTime()),
    ...(options.passwordCost === undefined ? {} : { passwordCost: options.passwordCost }),
  });
  const tickets = new Tickets(() => now().getTime());

  const status = (): EngineStatus => ({
    version,
    cluster: { id: cluster.id, name: cluster.name },
    startedAt: startedAt.toISOString(),
    memoryMiB: Math.round(process.memoryUsage.rss() / 1024 / 1024),
    extensions: [...apiExtensions],
    loops: loops.status(),
  });
  const health = makeHealth({
    version,
    started: () => started,
    ping: (deadlineMs) => database.ping(deadlineMs),
    now: () => performance.now(),
  });
  const app = makeApp({
    log,
    sessions,
    version,
    files: options.files,
    handlers: {
      ...overviewRoutes({
        health,
        status,
        overview: world.overview,
        networks: () => [...facts.networks],
      }),
      ...sessionRoutes(sessions),
      ...hostRoutes({ hosts, jobs, view: world.host }),
      ...maintenanceRoutes(maintenanceEnv),
      ...haRoutes({ store: options.store, mirror, hosts, state: world.ha, subjectOf, record }),
      ...fenceRoutes({ store: options.store, hosts, secrets: fenceSecrets, view: mirror.view, record }),
      ...vmRoutes({
        ha: vmsEnv.ha,
        touched,
        catalog,
        hosts,
        candidates: world.candidates,
        jobs,
        images,
        tickets,
        now,
        view: world.vm,
        volumes: world.volumes,
        networks: () => facts.networks,
        cpuModel: facts.cpuModel,
      }),
      ...jobRoutes(jobs),
      ...eventRoutes({ db, hub, sessions, now, stopping: stopping.signal }),
      ...storageRoutes({ hosts, jobs, images, volumes: world.volumes, record }),
    },
  });
  const onUpgrade = makeConsole({
    tickets,
    log,
    stands: (tokenHash) => sessions.stands(tokenHash),
    hostOf({ vmId }) {
      const { hostId, name } = catalog.need(vmId);
      if (hostId !== null) return hosts.need(hostId);
      throw new AppError({
        code: 'vm.not-running',
        family: 'conflict',
        message: `${name} is off: it has no screen.`,
      });
    },
  });

  await catalog.load();
  await images.load();
  for (const host of await listHosts(db)) hosts.add(host);
  mirror.start();
  await jobs.resume(
    Promise.all([hosts.settled(hostsSettleMs, stopping.signal), mirror.settled(hostsSettleMs)]).then(
      () => {},
    ),
  );
  started = true;
  for (const loop of engineLoops({ db, facts, fenceSecrets, hosts, images, reconciler, world, now }))
    loops.start(loop);
  log.info('the engine is ready', { cluster: cluster.name, vms: catalog.size(), hosts: hosts.all().length });

  return {
    app,
    onUpgrade,
    jobs,
    hosts,
    catalog,
    health,
    async stop() {
      stopping.abort();
      await loops.stop();
      await jobs.stop();
      await hosts.stop();
      await mirror.stop();
      await options.store.close();
      log.info('the engine has stopped');
    },
  };
}
