import { z } from 'zod';
import { AppError } from '../../node/contract/error.ts';
import { hostIdSchema } from '../../node/contract/ids.ts';
import { jobIdSchema } from '../contract/common.ts';
import { beginMaintenance, endMaintenance } from '../ha/store.ts';
import { patiently } from '../hosts/patience.ts';
import { type AnyJobKind, defineJob, type StepContext } from '../jobs/kind.ts';
import { hasEnded } from '../jobs/model.ts';
import { vmKey } from '../vms/env.ts';
import { type MaintenanceEnv, vmsOn } from './facts.ts';
import { inOrder, type PlanVm, targetOf } from './plan.ts';

/**
 * Maintenance of a host: it takes no more VMs, then each of its VMs is moved away by a job of its own, one after another,
 * so that people see each move, can act on the others meanwhile, and a crash of the engine leaves moves that go on by
 * themselves. Cancelled or failed, what has moved stays where it is, and the host may have VMs again.
 */
export const maintenanceKind = 'host.maintenance';

const inputSchema = z.object({ id: hostIdSchema, name: z.string(), by: z.string(), reason: z.string() });
const memorySchema = z.object({ total: z.number().optional() });
type Input = z.infer<typeof inputSchema>;
type Memory = z.infer<typeof memorySchema>;
type Context = StepContext<Input, Memory>;

/** A VM that cannot be moved at once may be the next time: its target was just filled, or its host was busy. */
const tries = 3;

async function moveAll(env: MaintenanceEnv, context: Context): Promise<void> {
  const { input, memory, progress } = context;
  const failed = new Map<string, number>();
  for (;;) {
    const left = inOrder(vmsOn(env, input.id));
    const [vm] = left;
    if (vm === undefined) return;
    const total = Math.max(memory.total ?? 0, left.length);
    progress((total - left.length) / total, `${vm.name}, ${total - left.length + 1} of ${total}`);
    const why = await moveOne(env, context, vm);
    if (why === undefined) continue;
    const count = (failed.get(vm.id) ?? 0) + 1;
    failed.set(vm.id, count);
    if (count >= tries) throw notMoved(vm.name, input.name, why);
  }
}

const notMoved = (vm: string, host: string, why: string): AppError =>
  new AppError({
    code: 'host.vm-not-moved',
    family: 'conflict',
    message: `${vm} could not be moved away from ${host}. ${why}`.trim(),
    remedy: 'Move it by hand or shut it down, then begin maintenance again.',
    retry: 'later',
  });

/** Undefined: it is not here any more, or is to be looked at again. Else why it could not be moved. */
async function moveOne(env: MaintenanceEnv, context: Context, vm: PlanVm): Promise<string | undefined> {
  const { input, signal } = context;
  const jobs = env.jobs();
  const busy = jobs.activeOn(vmKey(vm.id));
  // Somebody's own job, or the move that an earlier engine began for us.
  if (busy !== undefined) {
    const isMove = busy.kind === 'vm.migrate';
    const why = await endOf(env, context, busy.id, isMove);
    return isMove ? why : undefined;
  }
  if (vm.state === 'paused') return 'It is paused.';
  if (vm.state !== 'running') {
    // On its way up, or elsewhere: HA gives it to another host when it does not come.
    await env.changes.until(vmKey(vm.id), () => (isAsBefore(env, input, vm) ? undefined : true), signal, 250);
    return undefined;
  }
  const to =
    vm.needs === undefined
      ? undefined
      : targetOf(
          vm,
          vm.needs,
          env.candidates().filter(({ id }) => id !== input.id),
        );
  if (to === undefined) return 'No other host has room for it now.';
  const job = await jobs
    .submit({
      kind: 'vm.migrate',
      title: `Move ${vm.name}`,
      input: { id: vm.id, name: vm.name, targetId: to.id },
      subject: { kind: 'vm', id: vm.id, name: vm.name },
      locks: [vmKey(vm.id)],
      user: context.user,
    })
    .catch((thrown: unknown) => {
      if (thrown instanceof AppError && thrown.code === 'job.busy') return undefined;
      throw thrown;
    });
  return job === undefined ? undefined : endOf(env, context, job, true);
}

const isAsBefore = (env: MaintenanceEnv, { id }: Input, vm: PlanVm): boolean =>
  env.jobs().activeOn(vmKey(vm.id)) === undefined &&
  vmsOn(env, id).some((one) => one.id === vm.id && one.state === vm.state);

/** A move of ours ends with this job when that is cancelled, and goes on without it when the engine stops. */
async function endOf(
  env: MaintenanceEnv,
  { signal, input }: Context,
  jobId: string,
  isOurs: boolean,
): Promise<string | undefined> {
  const jobs = env.jobs();
  const id = jobIdSchema.parse(jobId);
  const over = Promise.withResolvers<void>();
  const stop = () => over.resolve();
  signal.addEventListener('abort', stop, { once: true });
  if (signal.aborted) stop();
  await Promise.race([jobs.ended(id).then(stop, stop), over.promise]);
  signal.removeEventListener('abort', stop);
  if (signal.aborted) {
    const isStopping = signal.reason instanceof AppError && signal.reason.code === 'engine.stopping';
    // One that cannot be cancelled any more has moved it.
    if (isOurs && !isStopping) {
      await jobs.cancel(id).catch(() => {});
      await jobs.ended(id).catch(() => {});
    }
    signal.throwIfAborted();
  }
  const job = await jobs.get(id);
  if (!hasEnded(job.state) || job.state === 'done') return undefined;
  const { subject } = job;
  const isHere = vmsOn(env, input.id).some((vm) => vm.id === subject?.id);
  return isHere ? (job.error?.message ?? 'Its move was cancelled.') : undefined;
}

export const maintenanceJob = (env: MaintenanceEnv): AnyJobKind =>
  defineJob<Input, Memory>({
    kind: maintenanceKind,
    input: inputSchema,
    memory: memorySchema,
    steps: [
      {
        name: 'mark',
        title: 'Give it no more VMs',
        seconds: 0.5,
        deadlineMs: 60_000,
        cancellable: true,
        async do({ input, signal }) {
          const { id: host, by, reason } = input;
          const since = env.now().toISOString();
          await patiently({ sleep: env.sleep, signal }, () =>
            beginMaintenance(env.ha.store, { v: 1, host, by, reason, since }),
          );
          // From here on the scheduler must know it.
          await env.changes.until(
            `host:${host}`,
            () => (env.ha.mirror.view().maintenance.has(host) ? true : undefined),
            signal,
            100,
          );
          return { total: vmsOn(env, host).length };
        },
        async undo({ input }) {
          await endMaintenance(env.ha.store, input.id);
        },
      },
      {
        name: 'move',
        title: 'Move its VMs away',
        seconds: 30,
        deadlineMs: 12 * 60 * 60_000,
        cancellable: true,
        async do(context) {
          await moveAll(env, context);
          return undefined;
        },
      },
    ],
    told: ({ input, memory }) => ({
      code: 'host.in-maintenance',
      message: `${input.name} is in maintenance${movedWords(memory.total ?? 0)}. It may be switched off.`,
    }),
  });

const movedWords = (count: number): string =>
  count === 0 ? '' : count === 1 ? '; its VM was moved away' : `; its ${count} VMs were moved away`;
