import { z } from 'zod';
import { AppError } from '../../node/contract/error.ts';
import { type HostId, hostIdSchema, type VmId } from '../../node/contract/ids.ts';
import type { HostEntry } from '../hosts/hosts.ts';
import { byTask } from '../hosts/task.ts';
import { type AnyJobKind, defineJob, type StepContext } from '../jobs/kind.ts';
import { place } from '../scheduler/decide.ts';
import { needsOf } from './candidates.ts';
import { isActive } from './decide.ts';
import { type VmsEnv, vmKey } from './env.ts';
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
        async do({ input }) {
          const { hostId } = env.catalog.need(input.id);
          return {
            sourceId: need(hostId ?? undefined),
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
          await move(env, context);
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
