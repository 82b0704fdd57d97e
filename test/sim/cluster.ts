import type { HaAssignment, HaReport, HaVm } from '../../node/contract/ha.ts';
import type { HostId } from '../../node/contract/ids.ts';
import { type Contact, contactOf } from '../../node/ha/contact.ts';
import { type Memory, newMemory, type Observation, type View } from '../../node/ha/model.ts';
import { Since } from '../../node/ha/since.ts';
import { timings } from '../../node/ha/timings.ts';
import { hostId, vmId } from './scenario.ts';

/** What unit tests of the core start from: three hosts that are fine, and one VM at the first. */
export const vm = (change: Partial<HaVm> = {}): HaVm => ({
  v: 1,
  id: vmId(1),
  name: 'web01',
  generation: 1,
  wanted: 'running',
  priority: 100,
  memoryMiB: 1_024,
  volumes: ['data'],
  ...change,
});

export const assignment = (change: Partial<HaAssignment> = {}): HaAssignment => ({
  v: 1,
  vm: vmId(1),
  host: hostId(1),
  epoch: 1,
  state: 'given',
  generation: 1,
  failedOn: [],
  why: 'it is to run',
  ...change,
});

export const report = (host: HostId, change: Partial<HaReport> = {}): HaReport => ({
  v: 1,
  host,
  instance: 'first',
  silent: [],
  vms: [],
  vmsKnown: true,
  freeMemoryMiB: 8_192,
  maintenance: false,
  barred: [],
  ...change,
});

const kept = <T>(value: T, revision: number) => ({ value, revision });

export function view(change: Partial<View> = {}): View {
  const hosts = [1, 2, 3].map(hostId);
  return {
    members: hosts.map((id, index) => ({ id, name: `host${index + 1}`, memoryMiB: 8_192 })),
    volumes: [{ name: 'data', replicaSets: [hosts] }],
    leader: undefined,
    vms: new Map([[vmId(1), vm()]]),
    assignments: new Map([[vmId(1), kept(assignment(), 10)]]),
    reports: new Map(hosts.map((id, index) => [id, kept(report(id), 20 + index)])),
    watchdogs: new Map(),
    fences: new Map(),
    proofs: new Map(),
    returns: new Map(),
    maintenance: new Set(),
    disarmed: undefined,
    unreadable: new Set(),
    ...change,
  };
}

export const observation = (change: Partial<Observation> = {}): Observation => ({
  nowMs: 100_000,
  self: hostId(1),
  instance: 'first',
  nonce: 'n',
  view: view(),
  contactMs: 99_900,
  heard: new Map(),
  vms: [],
  ends: [],
  barred: new Map(),
  freeMemoryMiB: 8_192,
  maintenance: false,
  watchdogMs: undefined,
  ...change,
});

export const contact = (
  seen: Observation,
  memory: Partial<Memory> = {},
  since: [string, number][] = [],
): Contact => contactOf(seen, { ...newMemory(0), ...memory }, new Since(new Map(since), seen.nowMs), timings);
