import {
  type HaAssignment,
  type HaDisarmed,
  type HaFence,
  type HaLeader,
  type HaProof,
  type HaReport,
  type HaReturn,
  type HaVm,
  type HaWatchdog,
  haKeys,
} from '../contract/ha.ts';
import type { HostId, VmId } from '../contract/ids.ts';
import type { Contact } from './contact.ts';

/** A record as it is in the store; who writes over it compares the revision. */
export type Kept<T> = { value: T; revision: number };

export type Volume = {
  name: string;
  /** each replica set as the hosts that hold its bricks */
  replicaSets: readonly (readonly HostId[])[];
};
export type Member = { id: HostId; name: string; memoryMiB: number };

/** All that the store says, of one revision. */
export type View = {
  members: readonly Member[];
  volumes: readonly Volume[];
  leader: Kept<HaLeader> | undefined;
  vms: ReadonlyMap<VmId, HaVm>;
  assignments: ReadonlyMap<VmId, Kept<HaAssignment>>;
  reports: ReadonlyMap<HostId, Kept<HaReport>>;
  watchdogs: ReadonlyMap<HostId, Kept<HaWatchdog>>;
  fences: ReadonlyMap<HostId, Kept<HaFence>>;
  /** by fence id */
  proofs: ReadonlyMap<string, readonly HaProof[]>;
  returns: ReadonlyMap<HostId, HaReturn>;
  /** hosts that take no VMs */
  maintenance: ReadonlySet<HostId>;
  /** lost hosts are not acted upon, as long as `disarmed.ts` says */
  disarmed: Kept<HaDisarmed> | undefined;
  /** keys whose values do not parse, or are of a newer version: what they speak of is left as it is */
  unreadable: ReadonlySet<string>;
};

export type LocalVm = {
  vm: VmId;
  epoch: number;
  state: 'starting' | 'running' | 'paused' | 'ending';
  /** a move brings it: it is here, and waits for the rest of its memory */
  incoming?: boolean;
};
/** A VM that is no more, until it is started again. */
export type LocalEnd = {
  vm: VmId;
  epoch: number;
  /** `moved`: a migration took it away, wherever to */
  how: 'guest' | 'crashed' | 'not-started' | 'moved';
  atMs: number;
};

/**
 * How the engine is by one of the two ways to ask it. `sick`: its database is away; `gone`: its VM says at once that nobody
 * listens; `silent`: no answer in time; `unknown`: it could not be asked.
 */
export type EngineSign = 'ready' | 'starting' | 'sick' | 'gone' | 'silent' | 'unknown';
/** `run` is another one each time its VM was started. */
export type EngineSigns = { vm: VmId; run: string; api: EngineSign; channel: EngineSign };

/** What a direct probe found last. `refused`: the machine answers, its agent does not. */
export type Heard = { atMs: number; answer: 'agent' | 'refused'; hasContact: boolean };

/** What this agent sees at one moment. Times are of its own monotonic clock. */
export type Observation = {
  nowMs: number;
  self: HostId;
  instance: string;
  /** never seen before; names what is made in this tick */
  nonce: string;
  view: View | undefined;
  /** when the keep-alive was sent that etcd's majority answered last, for the lease that the report is on */
  contactMs: number | undefined;
  heard: ReadonlyMap<HostId, Heard>;
  /** undefined: libvirt does not answer */
  vms: readonly LocalVm[] | undefined;
  ends: readonly LocalEnd[];
  /** fence id by host: rules that are in force here, kept over restarts */
  barred: ReadonlyMap<HostId, string>;
  freeMemoryMiB: number;
  maintenance: boolean;
  /** armed, and resets this machine when it is not fed for so long */
  watchdogMs: number | undefined;
  /** absent: the engine's VM does not run here */
  engine?: EngineSigns | undefined;
};

/** A write is done only when each key that it names is still as it was read; revision 0: it is not there. */
export type Guard = { key: string; revision: number };
export type Write = { key: string; value: unknown; onLease?: boolean } | { key: string; remove: true };

/**
 * What `decide` wants. It wants it again at each tick until it sees it done; the loop does one at a time for each `key`.
 * `told` is for the timeline, when it is done (a write: when it was not too late for it).
 */
export type Action = (
  | { kind: 'write'; key: string; guards: readonly Guard[]; writes: readonly Write[] }
  | { kind: 'start-vm'; key: string; vm: VmId; epoch: number; revision: number }
  | { kind: 'end-vm'; key: string; vm: VmId }
  | { kind: 'bar'; key: string; host: HostId; fence: string }
  | { kind: 'unbar'; key: string; host: HostId }
  | { kind: 'power-off'; key: string; host: HostId; fence: string }
  | { kind: 'feed-watchdog'; key: 'watchdog' }
  | { kind: 'tell'; key: string }
) & { told?: Note };

/** One sentence for the timeline. */
export type Note = { severity: 'info' | 'warning' | 'error'; about: HostId | VmId; text: string };

/** What an agent remembers from tick to tick. Losing it costs time, never safety. */
export type Memory = {
  /** when this agent began */
  startedMs: number;
  tickMs: number | undefined;
  /** nothing seen before this counts: the agent stood still, or began */
  steadySinceMs: number;
  /** since when a condition has held without a break */
  since: ReadonlyMap<string, number>;
  /** starts in a row of one VM in one epoch */
  tries: ReadonlyMap<VmId, { epoch: number; count: number; lastMs: number }>;
  engine?: EngineMemory | undefined;
};

/** Of the engine that runs here (engine-liveness.ts). */
export type EngineMemory = {
  vm: VmId;
  epoch: number;
  run: string;
  wasReady: boolean;
  channelAnswered: boolean;
  unreadySinceMs: number | undefined;
  /** told that it is not reached on its address, though it runs */
  isCut: boolean;
  /** so often its VM was started again for it, and when last */
  restarts: number;
  restartedMs: number;
  endedRun: string | undefined;
  /** all was in vain: it is given back once its VM has ended */
  leaves: boolean;
};

export type Decision = { memory: Memory; actions: readonly Action[]; contact: Contact };

export const newMemory = (nowMs: number): Memory => ({
  startedMs: nowMs,
  tickMs: undefined,
  steadySinceMs: nowMs,
  since: new Map(),
  tries: new Map(),
});

export const majorityOf = (count: number): number => Math.floor(count / 2) + 1;

/** A fence that cannot be read may be one: such a host gets and starts nothing, and is not fenced anew. */
export const mayBeFenced = (view: View, host: HostId): boolean =>
  view.fences.has(host) || view.unreadable.has(haKeys.fence(host));

export const nameOf = (view: View, host: HostId): string =>
  view.members.find(({ id }) => id === host)?.name ?? host;
