import { AppError } from '../../node/contract/error.ts';
import type { HaAssignment, HaSpec, HaVm } from '../../node/contract/ha.ts';
import type { HostId, VmId } from '../../node/contract/ids.ts';
import type { ClusterStore } from '../cluster/port.ts';
import type { HaPriority } from '../contract/ha.ts';
import type { HaMirror } from '../ha/mirror.ts';
import * as records from '../ha/store.ts';
import { type HostEntry, isMember } from '../hosts/hosts.ts';
import { patiently } from '../hosts/patience.ts';
import { type Candidate, mayEverRun } from '../scheduler/decide.ts';
import { needsOf } from './candidates.ts';
import { isActive } from './decide.ts';
import { type VmsEnv, vmKey } from './env.ts';
import { nodeSpecOf, type VmRecord } from './model.ts';

/** HA as the jobs of VMs need it. */
export type VmHa = { store: ClusterStore; mirror: Pick<HaMirror, 'view' | 'state'> };

const priorities: Record<HaPriority, number> = { low: 250, normal: 500, high: 750 };

/**
 * HA decides where it runs: because that is wanted, or because its records say so (a database that was restored from a
 * backup may not know it). Such a VM is never started or stopped by asking a host.
 */
export function isHa({ mirror }: VmHa, record: Pick<VmRecord, 'id' | 'haEnabled'>): boolean {
  if (record.haEnabled) return true;
  const { vms, assignments } = mirror.view();
  return vms.get(record.id)?.value.wanted === 'running' || assignments.has(record.id);
}

type Description = Pick<HaVm, 'id' | 'name' | 'priority' | 'memoryMiB' | 'volumes' | 'allowedHosts'>;

/** `hosts`: how many there are, witnesses too. When all may run it, those that come later may too. */
export function descriptionOf(
  record: VmRecord,
  candidates: readonly Candidate[],
  hosts: number,
): Description {
  const needs = needsOf(record);
  const allowed = candidates.filter((host) => mayEverRun(needs, host)).map(({ id }) => id);
  return {
    id: record.id,
    name: record.name,
    priority: priorities[record.haPriority],
    memoryMiB: record.hardware.memoryMiB,
    volumes: [...needs.volumes].sort(),
    ...(allowed.length === hosts ? {} : { allowedHosts: allowed.sort() }),
  };
}

export const describe = (env: Pick<VmsEnv, 'candidates' | 'hosts'>, record: VmRecord): Description =>
  descriptionOf(record, env.candidates(), env.hosts.all().filter(isMember).length);

export async function wantRunning(env: VmsEnv, record: VmRecord, preferredHost: HostId): Promise<void> {
  const { id, generation } = record;
  const vm: HaVm = { v: 1, ...describe(env, record), generation, wanted: 'running', preferredHost };
  const spec: HaSpec = { v: 1, id, generation, spec: nodeSpecOf(record) };
  await records.wantRunning(env.ha.store, vm, spec);
}

const nameOf = (env: VmsEnv, id: HostId): string => env.hosts.get(id)?.record.name ?? 'a host';

export const reportsActive = (entry: HostEntry | undefined, id: VmId): boolean => {
  const status = entry?.picture?.vms.get(id);
  return entry?.state === 'online' && status !== undefined && isActive({ status });
};

export type Watch = { signal: AbortSignal; progress(fraction: number | undefined, detail: string): void };

/** Until its host reports it running; which host that is HA decides, and may decide anew. */
export async function untilHaRuns(env: VmsEnv, record: VmRecord, watch: Watch): Promise<HostId> {
  const { id, name, generation } = record;
  return env.changes.until(
    vmKey(id),
    async () => {
      const kept = await now(env, id, watch.signal);
      if (kept === undefined || kept.generation < generation) {
        watch.progress(undefined, waitingFor(env));
        return undefined;
      }
      refuseWhenHopeless(env, name, kept);
      const entry = env.hosts.get(kept.host);
      watch.progress(undefined, `on ${nameOf(env, kept.host)}`);
      const status = entry?.state === 'online' ? entry.picture?.vms.get(id) : undefined;
      return kept.state === 'given' && status?.state === 'running' ? kept.host : undefined;
    },
    watch.signal,
  );
}

/** The host to which it is given now, fresh from the store. */
export async function now(env: VmsEnv, id: VmId, signal: AbortSignal): Promise<HaAssignment | undefined> {
  const kept = await patiently({ sleep: env.sleep, signal }, () => records.assignmentNow(env.ha.store, id));
  return kept?.value;
}

function waitingFor(env: VmsEnv): string {
  const { leader } = env.ha.mirror.view();
  return leader === undefined ? 'waiting for a host to lead HA' : 'waiting for a host with room';
}

function refuseWhenHopeless(env: VmsEnv, name: string, kept: HaAssignment): void {
  const fail = (why: string) =>
    new AppError({
      code: 'vm.start-failed',
      family: 'unavailable',
      message: `${name} ended right after its start. ${why}`,
      remedy: 'Look at its serial log and at the timeline of HA.',
      retry: 'never',
    });
  if (kept.state === 'ended') throw fail('Its guest shut down.');
  const able = env.hosts.online().filter(({ record }) => {
    const allowed = env.ha.mirror.view().vms.get(kept.vm)?.value.allowedHosts;
    return allowed?.includes(record.id) ?? true;
  });
  if (kept.failedOn.length > 0 && able.every(({ record }) => kept.failedOn.includes(record.id)))
    throw fail(`It did not stay up on any of ${able.map(({ record }) => record.name).join(', ')}.`);
}

/** It is wanted stopped, nobody may run it any more, and no host says that it does. */
export async function stopByHa(env: VmsEnv, id: VmId, watch: Watch): Promise<void> {
  const patience = { sleep: env.sleep, signal: watch.signal };
  await patiently(patience, () => records.wantStopped(env.ha.store, id));
  await env.changes.until(
    vmKey(id),
    async () => {
      const kept = await now(env, id, watch.signal);
      if (kept !== undefined) {
        watch.progress(undefined, `waiting for ${nameOf(env, kept.host)} to end it`);
        return undefined;
      }
      return env.hosts.all().some((entry) => reportsActive(entry, id)) ? undefined : true;
    },
    watch.signal,
  );
}
