import type { z } from 'zod';
import { AppError } from '../../node/contract/error.ts';
import type { VmId } from '../../node/contract/ids.ts';
import type { VmAction } from '../../node/contract/vms.ts';
import type { HostEntry } from '../hosts/hosts.ts';
import { patiently } from '../hosts/patience.ts';
import { type AnyJobKind, defineJob } from '../jobs/kind.ts';
import { isActive } from './decide.ts';
import { type VmsEnv, vmKey } from './env.ts';
import { vmInputSchema } from './job-start.ts';
import { placeMemorySchema, releaseStep, stopOnHost } from './steps.ts';

type Input = z.infer<typeof vmInputSchema>;
type Memory = z.infer<typeof placeMemorySchema>;

const guestPatienceMs = 5 * 60_000;
/** Some guests ignore the first press of the power button while they boot. */
const askAgainMs = 20_000;

const hostOf = (env: VmsEnv, id: VmId): HostEntry | undefined => {
  const { hostId } = env.catalog.need(id);
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
        async do({ input, signal }) {
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
  throw new AppError({
    code: 'vm.guest-ignores-shutdown',
    family: 'unavailable',
    message: `The guest of ${name} did not shut down within 5 minutes.`,
    remedy: 'Look at its console, or cut its power with "stop".',
    retry: 'never',
  });
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
