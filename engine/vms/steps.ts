import { z } from 'zod';
import { AppError } from '../../node/contract/error.ts';
import { type HostId, hostIdSchema, type VmId } from '../../node/contract/ids.ts';
import type { VmStatus } from '../../node/contract/vms.ts';
import type { Placement } from '../contract/vms.ts';
import { generationNow } from '../ha/store.ts';
import type { HostEntry } from '../hosts/hosts.ts';
import { patiently } from '../hosts/patience.ts';
import type { Step } from '../jobs/kind.ts';
import { type Options, place } from '../scheduler/decide.ts';
import { needsOf } from './candidates.ts';
import { isActive } from './decide.ts';
import { type VmsEnv, vmKey } from './env.ts';
import { isHa, stopByHa, untilHaRuns, wantRunning } from './ha.ts';
import { nodeSpecOf } from './model.ts';

/** Steps that several kinds of jobs share. Each is an "ensure": see jobs/kind.ts. */

export const placeMemorySchema = z.object({ hostId: hostIdSchema.optional() });
type VmInput = { id: VmId };
type PlaceMemory = z.infer<typeof placeMemorySchema>;

export const reportOf = (env: VmsEnv, hostId: HostId, id: VmId): VmStatus | undefined =>
  env.hosts.get(hostId)?.picture?.vms.get(id);

const runsThere = (status: VmStatus | undefined): status is VmStatus =>
  status !== undefined && isActive({ status });

export function noHostFits(name: string, hosts: Placement['hosts']): AppError {
  const reasons = hosts.map((host) => `${host.name}: ${host.reasons.join(' ')}`);
  return new AppError({
    code: 'scheduler.no-host',
    family: 'conflict',
    message: `No host can run ${name} now. ${reasons.join(' ')}`.trim(),
    remedy: 'Make room on a host, or give the VM less.',
    retry: 'later',
    details: { hosts },
  });
}

export function choose(env: Pick<VmsEnv, 'catalog' | 'candidates'>, id: VmId, options: Options = {}): HostId {
  const record = env.catalog.need(id);
  const placed = place(needsOf(record), env.candidates(), options);
  const [best] = placed;
  if (best === undefined || !best.fits) throw noHostFits(record.name, placed);
  return best.id;
}

/** Removes a VM's spec from a host; what is not there need not be removed. */
export async function forgetOnHost(entry: HostEntry, id: VmId, signal: AbortSignal): Promise<void> {
  await entry.link.client.call('deleteVm', { params: { id } }, { signal }).catch((thrown: unknown) => {
    if (thrown instanceof AppError && thrown.family === 'missing') return;
    throw thrown;
  });
}

/** Cuts its power on a host, and waits until that host says that it is off. */
export async function stopOnHost(
  env: VmsEnv,
  entry: HostEntry,
  id: VmId,
  signal: AbortSignal,
): Promise<void> {
  const status = await ask(entry, id, signal);
  if (!runsThere(status)) return;
  await entry.link.client
    .call('actOnVm', { params: { id }, body: { action: 'stop' } }, { signal })
    .catch((thrown: unknown) => {
      // It ended by itself meanwhile.
      if (thrown instanceof AppError && (thrown.family === 'missing' || thrown.code === 'vm.not-running'))
        return;
      throw thrown;
    });
  await untilOff(env, entry, id, signal);
}

async function ask(entry: HostEntry, id: VmId, signal: AbortSignal): Promise<VmStatus | undefined> {
  try {
    return await entry.link.client.call('getVm', { params: { id } }, { signal });
  } catch (thrown) {
    if (thrown instanceof AppError && thrown.family === 'missing') return undefined;
    throw thrown;
  }
}

export const untilOff = (env: VmsEnv, entry: HostEntry, id: VmId, signal: AbortSignal): Promise<true> =>
  env.changes.until(
    vmKey(id),
    () => (entry.state === 'online' && !runsThere(entry.picture?.vms.get(id)) ? true : undefined),
    signal,
  );

// A job's memory has at least the fields of PlaceMemory, so a patch of them is a patch of it.
const chosen = <Memory extends PlaceMemory>(hostId: HostId): Partial<Memory> =>
  ({ hostId }) satisfies PlaceMemory as Partial<Memory>;

/** Chooses the host and records it: from here on only that host may run the VM. */
export const placeStep = <Input extends VmInput, Memory extends PlaceMemory>(
  env: VmsEnv,
  when: (input: Input) => boolean = () => true,
): Step<Input, Memory> => ({
  name: 'place',
  title: 'Choose a host',
  seconds: 0.1,
  deadlineMs: 60_000,
  cancellable: true,
  when: ({ input }) => when(input),
  async do({ input, signal }) {
    const { id } = input;
    await env.quiet(id);
    const record = env.catalog.need(id);
    const before = record.hostId === null ? undefined : env.hosts.get(record.hostId);
    // After a crash of the engine it may have been chosen already; what still runs is not placed again.
    if (before !== undefined && runsThere(before.picture?.vms.get(id)))
      return chosen<Memory>(before.record.id);
    const hostId = choose(env, id);
    const { generation } = record;
    if (isHa(env.ha, record)) {
      // HA may know a newer one than a database that was restored; what is not newer would not count as a start.
      const known = await patiently({ sleep: env.sleep, signal }, () => generationNow(env.ha.store, id));
      const next = Math.max(generation, known) + 1;
      await env.catalog.update(id, { power: 'running', hostId, generation: next, note: '' });
      return chosen<Memory>(hostId);
    }
    if (before !== undefined && before.record.id !== hostId) await forgetOnHost(before, id, signal);
    await env.catalog.update(id, {
      power: 'running',
      hostId,
      generation: generation + 1,
      note: '',
    });
    return chosen<Memory>(hostId);
  },
  async undo({ input }) {
    const record = env.catalog.get(input.id);
    if (record === undefined || (record.power === 'off' && record.hostId === null)) return;
    await env.catalog.update(input.id, { power: 'off', hostId: null, generation: record.generation + 1 });
  },
});

export const startStep = <Input extends VmInput, Memory extends PlaceMemory>(
  env: VmsEnv,
  when: (input: Input) => boolean = () => true,
): Step<Input, Memory> => ({
  name: 'start',
  title: 'Start it',
  seconds: 1,
  deadlineMs: 90_000,
  cancellable: true,
  when: ({ input }) => when(input),
  async do({ input, memory, signal, progress }) {
    const { id } = input;
    const record = env.catalog.need(id);
    if (isHa(env.ha, record)) {
      const patience = { sleep: env.sleep, signal };
      await patiently(patience, () => wantRunning(env, record, needHost(memory)));
      const hostId = await untilHaRuns(env, record, { signal, progress });
      await env.catalog.update(id, (now) => (now.hostId === hostId ? undefined : { hostId }));
      return chosen<Memory>(hostId);
    }
    const entry = env.hosts.need(needHost(memory));
    progress(undefined, `on ${entry.record.name}`);
    const told = await patiently({ sleep: env.sleep, signal }, () =>
      entry.link.client.call(
        'putVm',
        {
          params: { id },
          body: { generation: record.generation, spec: nodeSpecOf(record), power: 'running' },
        },
        { signal },
      ),
    );
    refuseUnlessStarting(told, record.name);
    // The job ends when the engine itself has seen it run, so that nobody finds it "off" after "done".
    await env.changes.until(
      vmKey(id),
      () => {
        const status = entry.picture?.vms.get(id);
        if (status === undefined || status.generation < record.generation) return undefined;
        refuseUnlessStarting(status, record.name);
        return status.state === 'starting' ? undefined : status;
      },
      signal,
    );
    return undefined;
  },
  async undo({ input, memory, signal, progress }) {
    const record = env.catalog.get(input.id);
    if (record !== undefined && isHa(env.ha, record)) return stopByHa(env, input.id, { signal, progress });
    if (memory.hostId === undefined) return;
    const entry = env.hosts.get(memory.hostId);
    if (entry === undefined) return;
    await stopOnHost(env, entry, input.id, signal);
    await forgetOnHost(entry, input.id, signal);
  },
});

export function needHost(memory: PlaceMemory): HostId {
  if (memory.hostId === undefined) throw new Error('the job does not know the host that it chose');
  return memory.hostId;
}

function refuseUnlessStarting(status: VmStatus, name: string): void {
  if (status.state !== 'off' && status.state !== 'crashed') return;
  throw new AppError({
    code: 'vm.start-failed',
    family: 'unavailable',
    message: `${name} ended right after its start. ${status.reason}`.trim(),
    retry: 'never',
  });
}

/** It is off: no host keeps it any more, and any host may have it next. */
export const releaseStep = <Input extends VmInput, Memory extends object>(
  env: VmsEnv,
): Step<Input, Memory> => ({
  name: 'release',
  title: 'Release its host',
  seconds: 0.1,
  deadlineMs: 60_000,
  cancellable: false,
  async do({ input, signal, progress }) {
    const record = env.catalog.need(input.id);
    if (isHa(env.ha, record)) {
      await stopByHa(env, input.id, { signal, progress });
      await env.catalog.update(input.id, ({ generation }) => ({
        power: 'off',
        hostId: null,
        generation: generation + 1,
        note: '',
      }));
      return undefined;
    }
    const entry = record.hostId === null ? undefined : env.hosts.get(record.hostId);
    if (entry !== undefined)
      await patiently({ sleep: env.sleep, signal }, () => forgetOnHost(entry, input.id, signal));
    await env.catalog.update(input.id, {
      power: 'off',
      hostId: null,
      generation: record.generation + 1,
      note: '',
    });
    return undefined;
  },
});
