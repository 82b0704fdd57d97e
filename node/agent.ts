import { statfs } from 'node:fs/promises';
import { getRequestListener } from '@hono/node-server';
import type { Hono } from 'hono';
import { type AppEnv, type Bindings, makeApp } from './api/app.ts';
import { tlsCallerOf } from './api/caller.ts';
import { makeEventHub, snapshotOf } from './api/events.ts';
import type { Caller, NodeHandlers, StreamHandlers } from './api/handlers.ts';
import { hostRoutes, leaveCluster } from './api/routes-host.ts';
import { mountLocal } from './api/routes-local.ts';
import { networkRoutes } from './api/routes-network.ts';
import { mountPairing } from './api/routes-pairing.ts';
import { type Listeners, openLocalDoor, openTlsDoor } from './api/server.ts';
import { unwired, unwiredHandlers } from './api/unwired.ts';
import { answerUpgrade } from './api/upgrade.ts';
import { systemClock } from './clock/clock.ts';
import { run } from './command/run.ts';
import type { Announcement, PreflightRequest } from './contract/host.ts';
import { taskIdSchema } from './contract/ids.ts';
import { askHost } from './discovery/ask.ts';
import { makeAvahi } from './discovery/avahi.ts';
import { makeDiscovery } from './discovery/discovery.ts';
import { writeFileAtomic } from './files/atomic.ts';
import { makeFacts } from './host/facts.ts';
import { reachableAddresses } from './host/model.ts';
import { preflight } from './host/preflight.ts';
import { openIdentity } from './identity/identity.ts';
import type { Log } from './log/log.ts';
import { makeNetwork } from './network/network.ts';
import { networkdWorld } from './network/networkd.ts';
import { makeChannels, openChannel } from './pairing/channel.ts';
import type { RandomBytes } from './pairing/code.ts';
import { makeInitiator } from './pairing/initiator.ts';
import { issueText, shownAddresses } from './pairing/issue.ts';
import { makeResponder } from './pairing/responder.ts';
import { makeBus } from './systemd/bus.ts';
import { connectBus } from './systemd/connection.ts';
import { makeTasks } from './tasks/registry.ts';
import { untilDone } from './wiring/retry.ts';
import { wireSystem } from './wiring/system.ts';

export type AgentOptions = {
  stateDirectory: string;
  runDirectory: string;
  /** where systemd-networkd looks for files that live until the next boot */
  networkDirectory: string;
  port: number;
  version: string;
  hostname(): string;
  random: RandomBytes;
  newId(): string;
  log: Log;
};

/** Milliseconds since the machine's boot, the same for every process of a boot, also the next one of this agent. */
const machineMs = (): number => Number(process.hrtime.bigint() / 1_000_000n);

export type Agent = { port: number; close(): Promise<void> };

/** Puts the rooms of the agent together and opens its two doors; decides nothing itself. */
export async function openAgent(options: AgentOptions): Promise<Agent> {
  const { log } = options;
  const now = () => new Date();
  const after = (ms: number, then: () => void) => {
    const timer = setTimeout(then, ms);
    return { cancel: () => clearTimeout(timer) };
  };
  const every = (ms: number, what: string, work: () => Promise<void> | void) => {
    const once = async () => work();
    return setInterval(() => void once().catch((error) => log.error(what, error)), ms);
  };

  const stopping = new AbortController();
  const retry = { clock: systemClock, log, signal: stopping.signal };
  const identity = await openIdentity({ directory: `${options.stateDirectory}/identity`, now, log });
  const hub = makeEventHub();
  const tasks = makeTasks({
    newId: () => taskIdSchema.parse(options.newId()),
    now,
    log,
    changed: (task) => hub.publish({ kind: 'task', task }),
  });
  const hostName = (): string => {
    const membership = identity.membership();
    return membership.state === 'joined' ? membership.hostName : options.hostname();
  };
  const facts = makeFacts({
    run,
    now,
    version: options.version,
    id: identity.id,
    name: hostName,
    membership: identity.membership,
    disks: async () => [],
    accelerator: async () => 'tcg',
    usableModels: async () => [],
  });
  const measure = (request: PreflightRequest) =>
    preflight(
      {
        run,
        now,
        version: options.version,
        nics: facts.nics,
        accelerator: async () => 'tcg',
        memoryMiB: facts.memoryMiB,
        systemFreeMiB: async () => {
          const { bavail, bsize } = await statfs(options.stateDirectory);
          return Math.floor((bavail * bsize) / 1_048_576);
        },
        fsync: unwired('measure its disk'),
        log,
      },
      request,
    );

  const responder = makeResponder({
    now: () => performance.now(),
    random: options.random,
    log,
    host: {
      id: identity.id,
      joined: () => identity.membership().state === 'joined',
      csr: identity.csr,
      join: identity.join,
      look: async (question) => (question.ask === 'host' ? facts.host() : measure(question.request)),
    },
  });
  const initiator = makeInitiator({
    random: options.random,
    newId: options.newId,
    after,
    log,
    tls: identity.tls,
    openChannel,
  });

  const announcement = async (): Promise<Announcement> => {
    const machine = await facts.machine();
    return {
      id: identity.id,
      name: hostName(),
      version: options.version,
      state: identity.membership().state,
      addresses: reachableAddresses(await facts.links()),
      port: options.port,
      fingerprint: identity.fingerprint(),
      machine: [machine.vendor, machine.model].filter((part) => part !== '').join(' '),
      cpuThreads: await facts.cpuThreads(),
      memoryMiB: await facts.memoryMiB(),
      diskCount: 0,
    };
  };

  const bus = makeBus({ connect: connectBus, clock: systemClock, log });
  const system = wireSystem({
    stateDirectory: options.stateDirectory,
    run,
    clock: systemClock,
    bus,
    tls: identity.tls,
    publish: hub.publish,
    log,
  });
  const discovery = makeDiscovery({
    avahi: makeAvahi(bus, log),
    ask: askHost,
    id: identity.id,
    announcement,
    now,
    monotonicMs: () => performance.now(),
    log,
  });

  const notice = (severity: 'info' | 'warning' | 'error', code: string, message: string) =>
    hub.publish({ kind: 'notice', at: now().toISOString(), severity, code, message });
  const network = makeNetwork({
    ...networkdWorld({
      run,
      links: facts.links,
      statePath: `${options.stateDirectory}/network.json`,
      directory: options.networkDirectory,
    }),
    nics: facts.nics,
    monotonicMs: machineMs,
    sleep: (ms) => systemClock.sleep(ms),
    notice,
    log,
  });

  const handlers: NodeHandlers = {
    ...unwiredHandlers(),
    ...networkRoutes(network),
    ...system.handlers,
    ...hostRoutes({
      facts,
      tasks,
      initiator,
      discovered: discovery.discovered,
      preflight: measure,
      leave: () =>
        leaveCluster({
          runningVms: async () => [],
          steps: [...system.leave, { what: 'networks', undo: network.reset }],
          forget: identity.leave,
        }),
      power: system.power,
    }),
  };
  const streams: StreamHandlers = {
    console: unwired('show a console'),
    serial: unwired('show a serial console'),
    libvirtTunnel: unwired('take a VM from another host'),
    migrationTunnel: unwired('take a VM from another host'),
    serialLog: unwired('show a serial console'),
    uploadImage: unwired('take an image'),
  };

  const doorOf = (callerOf: AppEnv['callerOf'], more: (app: Hono<Bindings>) => void): Listeners => {
    const env: AppEnv = {
      handlers,
      streams,
      events: {
        hub,
        snapshot: () =>
          snapshotOf(log, [
            async () => tasks.list().map((task) => ({ kind: 'task', task })),
            async () => [{ kind: 'load', load: await facts.load() }],
            async () => (await system.unitStates()).map((status) => ({ kind: 'unit', status })),
          ]),
        heartbeatMs: 5_000,
        maxUnreadBytes: 4 * 1024 * 1024,
      },
      membership: identity.membership,
      callerOf,
      log,
    };
    return {
      request: getRequestListener(makeApp(env, more).fetch),
      upgrade: (incoming, socket, head) => void answerUpgrade(env, incoming, socket, head),
    };
  };

  const channelOf = makeChannels((channel) => responder.closed(channel));
  const local: Caller = { kind: 'local' };
  const localDoor = await openLocalDoor(
    `${options.runDirectory}/node.sock`,
    doorOf(
      () => local,
      (app) => mountLocal(app, { membership: identity.membership, identity, code: responder.status }),
    ),
  );
  const tlsDoor = await openTlsDoor({
    host: '::',
    port: options.port,
    tls: identity.tls,
    onIdentityChange: identity.onChange,
    listeners: doorOf(tlsCallerOf, (app) =>
      mountPairing(app, { responder, announcement, membership: identity.membership, channelOf }),
    ),
  });

  let shown = '';
  const showIssue = async () => {
    const text = issueText({
      name: hostName(),
      membership: identity.membership(),
      version: options.version,
      addresses: shownAddresses(reachableAddresses(await facts.links())),
      code: responder.status().code,
    });
    if (text === shown) return;
    await writeFileAtomic(`${options.runDirectory}/issue`, text, { directoryMode: 0o711 });
    shown = text;
  };
  const showSoon = () => void showIssue().catch((error) => log.error('console text not written', error));
  responder.onCode(showSoon);
  identity.onChange(showSoon);
  showSoon();

  await network.start().catch((error) => log.error('networks not applied', error));
  system.start(retry);

  /** All hosts are installed with one name; who looks at logs, consoles and mDNS wants the cluster's. */
  const takeName = async () => {
    const membership = identity.membership();
    if (membership.state === 'joined') await system.setHostname(membership.hostName);
  };
  const takeNameSoon = () => void untilDone(retry, 'host name', takeName);
  identity.onChange(takeNameSoon);
  takeNameSoon();

  const tickDiscovery = () => void discovery.tick().catch((error) => log.error('mDNS: tick failed', error));
  identity.onChange(tickDiscovery);
  void discovery.start().catch((error) => log.error('mDNS: not started', error));

  const timers = [
    every(5_000, 'console text not written', showIssue),
    every(1_000, 'pairings not swept', responder.sweep),
    every(1_000, 'networks not looked after', network.tick),
    every(5_000, 'mDNS: tick failed', discovery.tick),
    every(5_000, 'load not read', async () => hub.publish({ kind: 'load', load: await facts.load() })),
  ];
  log.info('agent is ready', {
    host: identity.id,
    name: hostName(),
    state: identity.membership().state,
    port: tlsDoor.port,
  });

  return {
    port: tlsDoor.port,
    close: async () => {
      stopping.abort(new Error('the agent stops'));
      for (const timer of timers) clearInterval(timer);
      initiator.close();
      await Promise.all([
        tlsDoor.close(),
        localDoor.close(),
        tasks.close(),
        discovery.stop().catch(() => {}),
      ]);
      bus.close();
    },
  };
}
