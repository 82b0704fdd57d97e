import { z } from 'zod';
import { AppError } from '../../node/contract/error.ts';
import { type HostId, hostIdSchema, type VmId } from '../../node/contract/ids.ts';
import { beginMove, takeBackMove } from '../ha/store.ts';
import type { HostEntry } from '../hosts/hosts.ts';
import { patiently } from '../hosts/patience.ts';
import { byTask } from '../hosts/task.ts';
import { type AnyJobKind, defineJob, type StepContext } from '../jobs/kind.ts';
import { place } from '../scheduler/decide.ts';
import { needsOf } from './candidates.ts';
import { isActive } from './decide.ts';
import { type VmsEnv, vmKey } from './env.ts';
import { isHa, now } from './ha.ts';
import { vmInputSchema } from './job-start.ts';
import { choose } from './steps.ts';

const inputSchema = vmInputSchema.extend({ targetId: hostIdSchema.optional() });
const memorySchema = z.object({ sourceId: hostIdSchema.optional(), targetId: hostIdSchema.optional() });
type Input = z.infer<typeof inputSchema>;
type Memory = z.infer<typeof memorySchema>;

/** Where it is to go: the host that was asked for, if the VM can be there, else the best one. */
export function migrationTarget(
  env: Pick<VmsEnv, 'catalog' | 'candidates'>,
  id: VmId,
  wanted: HostId | undefined,
): HostId {
  const record = env.catalog.need(id);
  const here = new Map(record.hostId === null ? [] : [[record.hostId, 'It runs there now.'] as const]);
  if (wanted === undefined) return choose(env, id, { except: here });
  const target = place(needsOf(record), env.candidates(), { except: here }).find(
    (host) => host.id === wanted,
  );
  if (target === undefined)
    throw new AppError({ code: 'host.missing', family: 'missing', message: 'There is no such host.' });
  if (!target.fits)
    throw new AppError({
      code: 'scheduler.host-does-not-fit',
      family: 'conflict',
      message: `${record.name} cannot move to ${target.name}. ${target.reasons.join(' ')}`,
      remedy: 'Choose another host, or let the scheduler choose.',
      retry: 'other-host',
    });
  return wanted;
}

const activeOn = (entry: HostEntry | undefined, id: VmId): boolean => {
  const status = entry?.picture?.vms.get(id);
  return status !== undefined && isActive({ status }) && !status.state.startsWith('migrating');
};

const need = (id: HostId | undefined): HostId => {
  if (id === undefined) throw new Error('the job does not know its hosts');
  return id;
};

/**
 * Under HA the target may run it too from the moment that its assignment says so; then its host is told to move it, and
 * that host's HA settles where it is. Only a move that was never ordered, or refused, is taken back from here.
 */
async function moveUnderHa(env: VmsEnv, context: StepContext<Input, Memory>): Promise<void> {
  const { input, memory, signal, progress } = context;
  const { id } = input;
  const source = env.hosts.need(need(memory.sourceId));
  const target = env.hosts.need(need(memory.targetId));
  const patience = { sleep: env.sleep, signal };
  const [from, to] = [source.record.id, target.record.id];
  const begun = await patiently(patience, () => beginMove(env.ha.store, id, from, to));
  if (begun === 'begun') {
    progress(undefined, `from ${source.record.name} to ${target.record.name}`);
    let ordered = false;
    const order = async (stop: AbortSignal) => {
      const task = await source.link.client.call(
        'migrateVm',
        { params: { id }, body: { targetHostId: to, targetAddress: target.record.address } },
        { signal: stop },
      );
      ordered = true;
      return task;
    };
    const lost = new AbortController();
    const until = AbortSignal.any([signal, lost.signal]);
    const losing = env.changes
      .until(vmKey(id), () => (isTakenFromLostSource(env, id, from) ? true : undefined), until, 500)
      .then(
        () => lost.abort(new Error('its source is lost')),
        () => {},
      );
    await byTask(source, order, { changes: env.changes, sleep: env.sleep, signal: until, progress })
      .catch(async (thrown: unknown) => {
        // HA has decided without it; what came of that is looked at below.
        if (lost.signal.aborted && !signal.aborted) return;
        const answered = thrown instanceof AppError && thrown.code !== 'host.unreachable';
        if (!ordered && answered) await takeBackMove(env.ha.store, id, from, to);
        throw thrown;
      })
      .finally(async () => {
        lost.abort();
        await losing;
      });
  }
  await env.changes.until(
    vmKey(id),
    async () => {
      const kept = await now(env, id, signal);
      if (kept?.state !== 'given') throw strandedMove(input.name);
      if (kept.movingTo !== undefined) return undefined;
      if (kept.host !== to) throw strandedMove(input.name);
      return activeOn(target, id) ? true : undefined;
    },
    signal,
    250,
  );
}

/** A host that is gone cannot tell how its move went. */
function isTakenFromLostSource(env: VmsEnv, id: VmId, source: HostId): boolean {
  const kept = env.ha.mirror.view().assignments.get(id)?.value;
  return kept?.host !== source && env.hosts.get(source)?.state !== 'online';
}

const strandedMove = (name: string): AppError =>
  new AppError({
    code: 'vm.not-moved',
    family: 'unavailable',
    message: `${name} is not on the host that it was moved to; HA has it elsewhere now.`,
    retry: 'later',
  });

async function move(env: VmsEnv, context: StepContext<Input, Memory>): Promise<void> {
  const { input, memory, signal, progress } = context;
  const source = env.hosts.need(need(memory.sourceId));
  const target = env.hosts.need(need(memory.targetId));
  const arrived = () => activeOn(target, input.id) && !activeOn(source, input.id);
  // After a crash of the engine the move may be over.
  if (arrived()) return;
  progress(undefined, `from ${source.record.name} to ${target.record.name}`);
  await byTask(
    source,
    (stop) =>
      source.link.client.call(
        'migrateVm',
        {
          params: { id: input.id },
          body: { targetHostId: target.record.id, targetAddress: target.record.address },
        },
        { signal: stop },
      ),
    { changes: env.changes, sleep: env.sleep, signal, progress },
  );
  await env.changes.until(vmKey(input.id), () => (arrived() ? true : undefined), signal, 250);
}

export const migrateJob = (env: VmsEnv): AnyJobKind =>
  defineJob<Input, Memory>({
    kind: 'vm.migrate',
    input: inputSchema,
    memory: memorySchema,
    steps: [
      {
        name: 'choose',
        title: 'Choose a host',
        seconds: 0.1,
        deadlineMs: 10_000,
        cancellable: true,
        async do({ input, signal }) {
          const record = env.catalog.need(input.id);
          const assigned = isHa(env.ha, record) ? (await now(env, input.id, signal))?.host : undefined;
          return {
            sourceId: need(assigned ?? record.hostId ?? undefined),
            targetId: migrationTarget(env, input.id, input.targetId),
          };
        },
      },
      {
        name: 'move',
        title: 'Move it while it runs',
        seconds: 5,
        deadlineMs: 60 * 60_000,
        cancellable: true,
        // Where it runs is a fact: what failed has left it on its source, what is done cannot be taken back.
        fact: true,
        async do(context) {
          const byHa = isHa(env.ha, env.catalog.need(context.input.id));
          await (byHa ? moveUnderHa : move)(env, context);
          return undefined;
        },
      },
      {
        name: 'record',
        title: 'Record where it runs',
        seconds: 0.1,
        deadlineMs: 60_000,
        cancellable: false,
        async do({ input, memory }) {
          const record = env.catalog.need(input.id);
          if (record.hostId !== memory.targetId)
            await env.catalog.update(input.id, {
              hostId: need(memory.targetId),
              generation: record.generation + 1,
            });
          return undefined;
        },
      },
    ],
    told: ({ input, memory }) => ({
      code: 'vm.migrated',
      message: `${input.name} was moved from ${nameOf(env, memory.sourceId)} to ${nameOf(env, memory.targetId)} while it ran.`,
    }),
  });

const nameOf = (env: VmsEnv, id: HostId | undefined): string =>
  id === undefined ? 'a host' : (env.hosts.get(id)?.record.name ?? 'a host');
