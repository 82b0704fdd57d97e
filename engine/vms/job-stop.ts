import type { z } from 'zod';
import { AppError } from '../../node/contract/error.ts';
import type { VmId } from '../../node/contract/ids.ts';
import type { VmAction } from '../../node/contract/vms.ts';
import type { HostEntry } from '../hosts/hosts.ts';
import { patiently } from '../hosts/patience.ts';
import { type AnyJobKind, defineJob } from '../jobs/kind.ts';
import { isActive } from './decide.ts';
import { type VmsEnv, vmKey } from './env.ts';
import { isHa, now, reportsActive, stopByHa, type Watch } from './ha.ts';
import { vmInputSchema } from './job-start.ts';
import { placeMemorySchema, releaseStep, stopOnHost } from './steps.ts';

type Input = z.infer<typeof vmInputSchema>;
type Memory = z.infer<typeof placeMemorySchema>;

const guestPatienceMs = 5 * 60_000;
/** Some guests ignore the first press of the power button while they boot. */
const askAgainMs = 20_000;
/** A VM that HA restarts runs again in seconds. */
const waitAgainMs = 1_000;

/** Of an HA VM its assignment says where it is: while a job is at work on it the record is not brought up to date. */
const hostOf = (env: VmsEnv, id: VmId): HostEntry | undefined => {
  const record = env.catalog.need(id);
  const assigned = isHa(env.ha, record) ? env.ha.mirror.view().assignments.get(id)?.value.host : undefined;
  const hostId = assigned ?? record.hostId;
  return hostId === null ? undefined : env.hosts.need(hostId);
};

async function act(entry: HostEntry, id: VmId, action: VmAction, signal: AbortSignal): Promise<void> {
  await entry.link.client.call('actOnVm', { params: { id }, body: { action } }, { signal });
}

const alreadyOff = (thrown: unknown): boolean =>
  thrown instanceof AppError && (thrown.family === 'missing' || thrown.code === 'vm.not-running');

export const stopJob = (env: VmsEnv): AnyJobKind =>
  defineJob<Input, Memory>({
    kind: 'vm.stop',
    input: vmInputSchema,
    memory: placeMemorySchema,
    steps: [
      {
        name: 'stop',
        title: 'Cut its power',
        seconds: 1,
        deadlineMs: 60_000,
        cancellable: false,
        async do({ input, signal, progress }) {
          if (isHa(env.ha, env.catalog.need(input.id))) {
            await stopByHa(env, input.id, { signal, progress });
            return undefined;
          }
          const entry = hostOf(env, input.id);
          if (entry !== undefined)
            await patiently({ sleep: env.sleep, signal }, () => stopOnHost(env, entry, input.id, signal));
          return undefined;
        },
      },
      releaseStep(env),
    ],
    told: ({ input }) => ({ code: 'vm.stopped', message: `${input.name} was stopped.` }),
  });

export const shutdownJob = (env: VmsEnv): AnyJobKind =>
  defineJob<Input, Memory>({
    kind: 'vm.shutdown',
    input: vmInputSchema,
    memory: placeMemorySchema,
    steps: [
      {
        name: 'ask',
        title: 'Ask the guest to shut down and wait for it',
        seconds: 10,
        deadlineMs: guestPatienceMs + 10_000,
        cancellable: true,
        async do({ input, signal, progress }) {
          if (isHa(env.ha, env.catalog.need(input.id))) {
            await untilGuestEndsUnderHa(env, input, { signal, progress });
            return undefined;
          }
          const entry = hostOf(env, input.id);
          if (entry === undefined) return undefined;
          progress(undefined, 'waiting for the guest');
          await untilGuestEnds(env, entry, input, signal);
          return undefined;
        },
      },
      releaseStep(env),
    ],
    told: ({ input }) => ({ code: 'vm.shut-down', message: `${input.name} was shut down.` }),
  });

async function untilGuestEnds(
  env: VmsEnv,
  entry: HostEntry,
  { id, name }: Input,
  signal: AbortSignal,
): Promise<void> {
  const ends = performance.now() + guestPatienceMs;
  while (performance.now() < ends) {
    try {
      await patiently({ sleep: env.sleep, signal }, () => act(entry, id, 'shutdown', signal));
    } catch (thrown) {
      if (alreadyOff(thrown)) return;
      throw thrown;
    }
    const round = AbortSignal.any([signal, AbortSignal.timeout(askAgainMs)]);
    const off = await untilReportedOff(env, entry, id, round).catch((thrown: unknown) => {
      if (signal.aborted) throw thrown;
      return false;
    });
    if (off) return;
  }
  throw ignoresShutdown(name);
}

const ignoresShutdown = (name: string): AppError =>
  new AppError({
    code: 'vm.guest-ignores-shutdown',
    family: 'unavailable',
    message: `The guest of ${name} did not shut down within 5 minutes.`,
    remedy: 'Look at its console, or cut its power with "stop".',
    retry: 'never',
  });

/**
 * The same where HA decides on which host it runs: asked there, and again on the next host when it was restarted
 * meanwhile. That its host cannot be reached ends nothing: HA restarts it elsewhere, and there it is asked.
 */
async function untilGuestEndsUnderHa(env: VmsEnv, { id, name }: Input, watch: Watch): Promise<void> {
  const { signal, progress } = watch;
  const ends = performance.now() + guestPatienceMs;
  while (performance.now() < ends) {
    const kept = await now(env, id, signal);
    if (kept === undefined || kept.state === 'ended') return;
    const entry = env.hosts.need(kept.host);
    const asked = kept.state === 'given' && (await askGuest(entry, id, signal));
    const hostName = entry.record.name;
    progress(
      undefined,
      asked ? 'waiting for the guest' : `waiting until it runs on ${hostName}, or elsewhere`,
    );
    const round = AbortSignal.any([signal, AbortSignal.timeout(asked ? askAgainMs : waitAgainMs)]);
    const other = async (): Promise<true | undefined> => {
      const then = await now(env, id, signal);
      if (then?.host !== kept.host || then.epoch !== kept.epoch || then.state !== kept.state) return true;
      return asked && entry.state === 'online' && !reportsActive(entry, id) ? true : undefined;
    };
    await env.changes.until(vmKey(id), other, round).catch((thrown: unknown) => {
      if (!round.aborted || signal.aborted) throw thrown;
    });
    // It was asked, and its host says that it has ended: that it may not be restarted is said by the next step.
    if (asked && entry.state === 'online' && !reportsActive(entry, id)) return;
  }
  throw ignoresShutdown(name);
}

/** False: it does not run there now, or its host does not answer. */
async function askGuest(entry: HostEntry, id: VmId, signal: AbortSignal): Promise<boolean> {
  try {
    await act(entry, id, 'shutdown', signal);
    return true;
  } catch (thrown) {
    if (alreadyOff(thrown) || (thrown instanceof AppError && thrown.code === 'host.unreachable'))
      return false;
    throw thrown;
  }
}

const untilReportedOff = (env: VmsEnv, entry: HostEntry, id: VmId, signal: AbortSignal): Promise<boolean> =>
  env.changes.until(
    vmKey(id),
    () => {
      if (entry.state !== 'online') return undefined;
      const status = entry.picture?.vms.get(id);
      return status === undefined || !isActive({ status }) ? true : undefined;
    },
    signal,
  );

export const rebootJob = (env: VmsEnv): AnyJobKind =>
  defineJob<Input, Memory>({
    kind: 'vm.reboot',
    input: vmInputSchema,
    memory: placeMemorySchema,
    steps: [
      {
        name: 'ask',
        title: 'Ask the guest to reboot',
        seconds: 1,
        deadlineMs: 30_000,
        cancellable: true,
        async do({ input, signal }) {
          const entry = hostOf(env, input.id);
          if (entry !== undefined)
            await patiently({ sleep: env.sleep, signal }, () => act(entry, input.id, 'reboot', signal));
          return undefined;
        },
      },
    ],
    told: ({ input }) => ({ code: 'vm.rebooted', message: `${input.name} was asked to reboot.` }),
  });
