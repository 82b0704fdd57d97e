import { clusterHostSchema, clusterVolumeSchema } from '../../../node/contract/cluster.ts';
import { etcdKeys } from '../../../node/contract/etcd.ts';
import { haAssignmentSchema, haKeys, haSpecSchema } from '../../../node/contract/ha.ts';
import type { HostId, VmId } from '../../../node/contract/ids.ts';
import { decide } from '../../../node/ha/decide.ts';
import {
  type Action,
  type Heard,
  type Kept,
  type LocalEnd,
  type LocalVm,
  type Memory,
  majorityOf,
  type Note,
  newMemory,
  type View,
} from '../../../node/ha/model.ts';
import { timings as realTimings, type Timings } from '../../../node/ha/timings.ts';
import { type HaRecord, makeView, readRecord, type Unreadable } from '../../../node/ha/view.ts';
import { hostHandlers } from './handlers-host.ts';
import { endByHa, forgetByHa, startByHa } from './handlers-vms.ts';
import { type FakeHost, type FakeWorld, hostById, hostNow } from './model.ts';

/**
 * HA on simulated hosts: the real `decide` of each, over the world's etcd. Hosts hear each other and reach etcd exactly
 * while they are powered, so a slow machine never makes one look lost. Power gone is memory gone: HA's VMs end with it.
 */
export const quickTimings: Timings = {
  ...realTimings,
  loopMs: 40,
  silentMs: 160,
  leaseMs: 160,
  stopStartingMs: 200,
  selfStopMs: 500,
  killMs: 200,
  stallMs: 5_000,
  settledMs: 120,
  backOffMs: [0, 20, 40],
};
/** a move that was announced and is not being made is given up by the host that has the VM */
const movePatienceMs = 400;
const keptNotes = 200;

type Agent = {
  host: FakeHost;
  instance: string;
  memory: Memory;
  heard: Map<HostId, Heard>;
  contactMs: number | undefined;
  view: View | undefined;
  nonce: number;
  notes: number;
  /** since when a move is announced that nobody makes */
  moves: Map<VmId, number>;
};

export type HaAgents = { stop(): void };

export function startHaAgents(world: FakeWorld, times: Timings = quickTimings): HaAgents {
  const agents = new Map<HostId, Agent>();
  /** on its own disk: outlives power cuts */
  const bars = new Map<HostId, Map<HostId, string>>();
  const goneMs = new Map<HostId, number>();
  const begun = performance.now();
  const now = () => performance.now() - begun;
  const known: Records = new Map();
  let lives = 0;
  let soon = false;
  let stopped = false;

  const round = () => {
    soon = false;
    if (stopped) return;
    const members = membersOf(world);
    const powered = members.filter(({ id }) => hostById(world, id)?.powered === true);
    const reaches = powered.length >= majorityOf(members.length);
    for (const { id } of members) {
      const host = hostById(world, id);
      if (host === undefined) continue;
      if (host.powered) {
        goneMs.delete(id);
        if (!agents.has(id)) agents.set(id, newAgent(host));
        continue;
      }
      if (agents.delete(id)) forgetByHa(host);
      if (!goneMs.has(id)) goneMs.set(id, now());
      if (reaches && now() - (goneMs.get(id) ?? 0) >= times.leaseMs) world.etcd.endLease(id);
    }
    if (members.length < 2) return;
    const view = reaches ? viewOf(world, members, known) : undefined;
    for (const agent of agents.values()) tick(agent, view);
  };
  const wake = () => {
    if (soon || stopped) return;
    soon = true;
    setTimeout(round, 2).unref();
  };

  const newAgent = (host: FakeHost): Agent => {
    lives += 1;
    return {
      host,
      instance: `${host.options.name}-${lives}`,
      memory: newMemory(now()),
      heard: new Map(),
      contactMs: undefined,
      view: undefined,
      nonce: 0,
      notes: 0,
      moves: new Map(),
    };
  };

  const tick = (agent: Agent, view: View | undefined) => {
    const { host } = agent;
    const nowMs = now();
    if (view !== undefined) Object.assign(agent, { view, contactMs: nowMs });
    for (const other of agents.values())
      if (other !== agent)
        agent.heard.set(other.host.id, { atMs: nowMs, answer: 'agent', hasContact: view !== undefined });
    if (view !== undefined) settleMoves(world, agent, nowMs);
    agent.nonce += 1;
    const load = hostHandlers.getLoad({ world, host, params: {}, body: undefined });
    const decision = decide(
      agent.memory,
      {
        nowMs,
        self: host.id,
        instance: agent.instance,
        nonce: `${agent.instance}-${agent.nonce}`,
        view: agent.view,
        contactMs: agent.contactMs,
        heard: agent.heard,
        vms: localVms(host),
        ends: localEnds(host, begun),
        barred: bars.get(host.id) ?? new Map(),
        freeMemoryMiB: 'memoryAvailableMiB' in load ? load.memoryAvailableMiB : 0,
        maintenance: agent.view?.maintenance.has(host.id) ?? false,
        watchdogMs: undefined,
      },
      times,
    );
    agent.memory = decision.memory;
    for (const action of decision.actions) act(agent, action, view !== undefined);
  };

  const note = (agent: Agent, told: Note | undefined) => {
    if (told === undefined) return;
    agent.notes += 1;
    const at = hostNow(world, agent.host).toISOString();
    const key = haKeys.note(at, agent.host.id, agent.notes);
    world.etcd.set(key, JSON.stringify({ v: 1, at, by: agent.host.id, ...told }));
    const own = world.etcd.withPrefix(haKeys.timeline).filter(([each]) => each.includes(agent.host.id));
    if (own.length <= keptNotes) return;
    const [oldest] = own.map(([each]) => each).sort();
    if (oldest !== undefined) world.etcd.delete(oldest);
  };

  const act = (agent: Agent, action: Action, reaches: boolean) => {
    const { host } = agent;
    switch (action.kind) {
      case 'write': {
        const writes = action.writes.map((write) =>
          'remove' in write
            ? write
            : {
                key: write.key,
                value: JSON.stringify(write.value),
                ...(write.onLease === true ? { lease: host.id } : {}),
              },
        );
        if (reaches && world.etcd.commit(action.guards, writes)) note(agent, action.told);
        return;
      }
      case 'tell':
        if (reaches) note(agent, action.told);
        return;
      case 'start-vm': {
        const held = world.etcd.held(haKeys.assignment(action.vm));
        const spec = world.etcd.get(haKeys.spec(action.vm));
        if (!reaches || held?.revision !== action.revision || spec === undefined) return;
        // It may run where it is on its way to.
        if (assignmentOf(held.value).movingTo !== undefined) return;
        startByHa(world, host, haSpecSchema.parse(JSON.parse(spec)), action.epoch);
        break;
      }
      case 'end-vm':
        endByHa(host, action.vm);
        if (reaches) note(agent, action.told);
        break;
      case 'bar':
        bars.set(host.id, new Map(bars.get(host.id)).set(action.host, action.fence));
        break;
      case 'unbar':
        bars.get(host.id)?.delete(action.host);
        break;
      case 'power-off':
      case 'feed-watchdog':
        // These hosts have neither.
        return;
    }
    wake();
  };

  const off = world.etcd.onChange(wake);
  const timer = setInterval(round, times.loopMs);
  timer.unref();
  wake();
  return {
    stop() {
      stopped = true;
      clearInterval(timer);
      off();
    },
  };
}

/** Parsed once for each text: it is looked at many times a second. */
function once<T>(parse: (json: unknown) => T): (text: string) => T {
  const known = new Map<string, T>();
  return (text) => {
    const found = known.get(text);
    if (found !== undefined) return found;
    const value = parse(JSON.parse(text));
    if (known.size > 500) known.clear();
    known.set(text, value);
    return value;
  };
}
const clusterHost = once((json) => clusterHostSchema.parse(json));
const clusterVolume = once((json) => clusterVolumeSchema.parse(json));
const assignmentOf = once((json) => haAssignmentSchema.parse(json));

const membersOf = (world: FakeWorld): { id: HostId; name: string; memoryMiB: number }[] =>
  world.etcd.withPrefix(etcdKeys.hosts).flatMap(([, { value }]) => {
    const { id, name } = clusterHost(value);
    const host = hostById(world, id);
    return host?.kept.join === undefined ? [] : [{ id, name, memoryMiB: host.options.memoryMiB ?? 32_768 }];
  });

type Records = Map<string, Kept<HaRecord | Unreadable>>;

/** `known`: as parsed the last time; what has not changed since is not parsed again. */
function viewOf(world: FakeWorld, members: ReturnType<typeof membersOf>, known: Records): View {
  const storage = new Map(
    world.etcd.withPrefix(etcdKeys.hosts).map(([, { value }]) => {
      const { id, storageAddress } = clusterHost(value);
      return [storageAddress, id];
    }),
  );
  const volumes = world.etcd.withPrefix(etcdKeys.volumes).map(([, { value }]) => {
    const { name, layout, bricks } = clusterVolume(value);
    const hosts = bricks.flatMap(({ address }) => storage.get(address) ?? []);
    const size = layout === 'single' ? 1 : 3;
    const count = hosts.length / size;
    const replicaSets = Array.from({ length: count }, (_, at) => hosts.slice(at * size, (at + 1) * size));
    return { name, replicaSets };
  });
  const records: Records = new Map();
  for (const [key, { value, revision }] of world.etcd.withPrefix(haKeys.prefix)) {
    if (key.startsWith(haKeys.timeline)) continue;
    const before = known.get(key);
    if (before?.revision === revision) {
      records.set(key, before);
      continue;
    }
    const record = readRecord(key, JSON.parse(value));
    if (record !== undefined) records.set(key, { value: record, revision });
  }
  known.clear();
  for (const [key, record] of records) known.set(key, record);
  return makeView({ members, volumes }, records);
}

const localVms = (host: FakeHost): LocalVm[] =>
  [...host.kept.vms.values()].flatMap(({ spec, ha, state }) => {
    if (ha === undefined || state === 'off' || state === 'crashed') return [];
    const seen = state === 'starting' || state === 'paused' ? state : 'running';
    return [{ vm: spec.id, epoch: ha.epoch, state: seen }];
  });

const localEnds = (host: FakeHost, begun: number): LocalEnd[] =>
  [...host.kept.vms.values()].flatMap(({ spec, ha, state }) =>
    ha?.ended === undefined || (state !== 'off' && state !== 'crashed')
      ? []
      : [{ vm: spec.id, epoch: ha.epoch, how: ha.ended.how, atMs: ha.ended.atMs - begun }],
  );

/** The host that has a VM says where it is after a move: there, or still here when nobody makes the move. */
function settleMoves(world: FakeWorld, { host, moves }: Agent, nowMs: number): void {
  for (const [key, { value, revision }] of world.etcd.withPrefix(haKeys.assignment(''))) {
    const assignment = assignmentOf(value);
    const { vm, movingTo, ...rest } = assignment;
    if (assignment.host !== host.id || movingTo === undefined) {
      moves.delete(vm);
      continue;
    }
    const target = hostById(world, movingTo);
    const there = target?.powered === true && target.kept.vms.get(vm)?.ha?.epoch === assignment.epoch;
    const here = host.kept.vms.get(vm);
    const settle = (to: HostId) =>
      world.etcd.commit([{ key, revision }], [{ key, value: JSON.stringify({ ...rest, vm, host: to }) }]);
    if (there && here === undefined) settle(movingTo);
    else if (here?.state === 'migrating-out') moves.delete(vm);
    else if (!moves.has(vm)) moves.set(vm, nowMs);
    else if (nowMs - (moves.get(vm) ?? nowMs) >= movePatienceMs) settle(host.id);
  }
}
