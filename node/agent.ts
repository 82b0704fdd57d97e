import { makeEventHub } from './api/events.ts';
import type { NodeHandlers, StreamHandlers } from './api/handlers.ts';
import { leaveCluster } from './api/routes-host.ts';
import { networkRoutes } from './api/routes-network.ts';
import { systemClock } from './clock/clock.ts';
import { run } from './command/run.ts';
import { taskIdSchema } from './contract/ids.ts';
import { openIdentity } from './identity/identity.ts';
import { makeNetwork, type Network } from './network/network.ts';
import { networkdWorld } from './network/networkd.ts';
import { makeBus } from './systemd/bus.ts';
import { connectBus } from './systemd/connection.ts';
import { makeTasks } from './tasks/registry.ts';
import { type AgentOptions, type Base, every } from './wiring/base.ts';
import { wireConsole } from './wiring/console.ts';
import { wireDisks } from './wiring/disks.ts';
import { openDoors } from './wiring/doors.ts';
import { wireFence } from './wiring/fence.ts';
import { wireFiles } from './wiring/files.ts';
import { makeUsableModels } from './wiring/machine.ts';
import { type Member, wireMember } from './wiring/member.ts';
import { untilDone } from './wiring/retry.ts';
import { wireStorage } from './wiring/storage.ts';
import { wireSystem } from './wiring/system.ts';
import { wireVms } from './wiring/vms.ts';

export type Agent = { port: number; close(): Promise<void> };

/** Puts the rooms of the agent together and opens its two doors; decides nothing itself. */
export async function openAgent(options: AgentOptions): Promise<Agent> {
  const { base, stop } = await makeBase(options);
  const { identity, hub, tasks, log } = base;

  const files = wireFiles({
    ...base,
    stateDirectory: options.stateDirectory,
    usedBy: (path) => vms.usedBy(path),
  });
  const system = wireSystem({ ...base, stateDirectory: options.stateDirectory, tls: identity.tls });
  const disks = wireDisks(base, { units: system.units });
  const storage = wireStorage(base, { units: system.units, isDirectoryBrick: disks.isDirectoryBrick });
  const machine = {
    disks: disks.disks,
    fsync: disks.fsync,
    accelerator: files.accelerator,
    usableModels: makeUsableModels({
      log,
      accelerator: files.accelerator,
      monotonicMs: () => performance.now(),
    }),
  };
  const member = wireMember(base, machine);
  const network = wireNetwork(base, member);
  const fence = wireFence(base);
  const vms = await wireVms(base, { accelerator: files.accelerator, bridgeOf: network.bridgeOf });

  const handlers: NodeHandlers = {
    ...networkRoutes(network),
    ...system.handlers,
    ...disks.handlers,
    ...storage.handlers,
    ...files.handlers,
    ...vms.handlers,
    ...fence.handlers,
    ...member.handlers({
      leave: () =>
        leaveCluster({
          runningVms: async () => vms.running(),
          onlyCopies: storage.onlyCopies,
          steps: [
            ...vms.leave,
            ...storage.leave,
            ...disks.leave,
            ...system.leave,
            { what: 'networks', undo: network.reset },
          ],
          forget: identity.leave,
        }),
      power: system.power,
    }),
  };
  const streams: StreamHandlers = {
    ...files.streams,
    ...vms.streams,
  };
  const doors = await openDoors(base, {
    handlers,
    streams,
    member,
    present: [
      async () => tasks.list().map((task) => ({ kind: 'task', task })),
      async () => [{ kind: 'load', load: await member.facts.load() }],
      async () => vms.present(),
      async () => storage.latest().map((status) => ({ kind: 'volume', status })),
      async () => (await system.unitStates()).map((status) => ({ kind: 'unit', status })),
    ],
  });

  wireConsole(base, member);
  await network.start().catch((error) => log.error('networks not applied', error));
  system.start(base.retry);
  disks.start();
  storage.start();
  vms.start();
  fence.start();
  takeNames(base, system.setHostname);
  startDiscovery(base, member);
  void files.accelerator().catch((error) => log.error('what guests run with is not known yet', error));
  every(base, 1_000, 'pairings', member.responder.sweep);
  every(base, 1_000, 'networks', network.tick);
  every(base, 5_000, 'load', async () => hub.publish({ kind: 'load', load: await member.facts.load() }));
  log.info('agent is ready', {
    host: identity.id,
    name: base.hostName(),
    state: identity.membership().state,
    port: doors.port,
  });

  return {
    port: doors.port,
    close: async () => {
      stop();
      member.initiator.close();
      await Promise.all([doors.close(), tasks.close(), vms.close(), member.discovery.stop().catch(() => {})]);
      base.bus.close();
    },
  };
}

async function makeBase(options: AgentOptions): Promise<{ base: Base; stop: () => void }> {
  const { log } = options;
  const now = () => new Date();
  const stopping = new AbortController();
  const identity = await openIdentity({ directory: `${options.stateDirectory}/identity`, now, log });
  const hub = makeEventHub();
  const base: Base = {
    options,
    log,
    run,
    clock: systemClock,
    now,
    identity,
    hostName: () => {
      const membership = identity.membership();
      return membership.state === 'joined' ? membership.hostName : options.hostname();
    },
    hub,
    tasks: makeTasks({
      newId: () => taskIdSchema.parse(options.newId()),
      now,
      log,
      changed: (task) => hub.publish({ kind: 'task', task }),
    }),
    bus: makeBus({ connect: connectBus, clock: systemClock, log }),
    retry: { clock: systemClock, log, signal: stopping.signal },
    notice: (severity, code, message) =>
      hub.publish({ kind: 'notice', at: now().toISOString(), severity, code, message }),
  };
  return { base, stop: () => stopping.abort(new Error('the agent stops')) };
}

function wireNetwork(base: Base, { facts }: Pick<Member, 'facts'>): Network {
  const { run, options, clock, notice, log } = base;
  return makeNetwork({
    ...networkdWorld({
      run,
      links: facts.links,
      statePath: `${options.stateDirectory}/network.json`,
      directory: options.networkDirectory,
    }),
    nics: facts.nics,
    // the machine's clock since its boot: the same for every process, also for the next one of this agent
    monotonicMs: () => Number(process.hrtime.bigint() / 1_000_000n),
    sleep: (ms) => clock.sleep(ms),
    notice,
    log,
  });
}

/** All hosts are installed with one name; who looks at logs, consoles and mDNS wants the cluster's. */
function takeNames(base: Base, setHostname: (name: string) => Promise<void>): void {
  const take = async () => {
    const membership = base.identity.membership();
    if (membership.state === 'joined') await setHostname(membership.hostName);
  };
  const takeSoon = () => void untilDone(base.retry, 'host name', take);
  base.identity.onChange(takeSoon);
  takeSoon();
}

function startDiscovery({ identity, log, ...base }: Base, { discovery }: Pick<Member, 'discovery'>): void {
  const failed = (error: unknown) => log.error('mDNS: failed this time', error);
  identity.onChange(() => void discovery.tick().catch(failed));
  void discovery.start().catch(failed);
  every({ log, ...base }, 5_000, 'mDNS', discovery.tick);
}
