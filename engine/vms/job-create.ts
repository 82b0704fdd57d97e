import { z } from 'zod';
import { AppError } from '../../node/contract/error.ts';
import { hostIdSchema, type ImageId } from '../../node/contract/ids.ts';
import { type DiskFilePut, diskFilePutSchema } from '../../node/contract/vms.ts';
import type { HostEntry } from '../hosts/hosts.ts';
import { patiently } from '../hosts/patience.ts';
import { byTask } from '../hosts/task.ts';
import { type AnyJobKind, defineJob } from '../jobs/kind.ts';
import type { VmsEnv } from './env.ts';
import { vmInputSchema } from './job-start.ts';
import { type VmRecord, vmRecordSchema } from './model.ts';
import { placeStep, startStep } from './steps.ts';

/** The record is made with the job (same transaction); what it says of disks is what is to be made. */
const inputSchema = vmInputSchema.extend({
  record: z.unknown(),
  disks: z.array(diskFilePutSchema),
  start: z.boolean(),
});
const memorySchema = z.object({
  hostId: hostIdSchema.optional(),
});
type Input = z.infer<typeof inputSchema>;
type Memory = z.infer<typeof memorySchema>;

/** Where a file of a volume can be worked on. */
export const mountsVolume =
  (volume: string) =>
  ({ picture }: HostEntry): boolean => {
    const status = picture?.volumes.get(volume);
    return status?.mounted === true && status.state !== 'offline';
  };

export type Source = { id: ImageId; volume: string; path: string; format: 'raw' | 'qcow2' };

export function diskPuts(record: VmRecord, source: Source | undefined): DiskFilePut[] {
  return record.hardware.disks.map((disk, index) =>
    diskFilePutSchema.parse({
      id: disk.id,
      volume: disk.volume,
      path: disk.path,
      format: disk.format,
      sizeMiB: disk.sizeMiB,
      ...(index === 0 && source !== undefined
        ? { from: { kind: 'file', volume: source.volume, path: source.path, format: source.format } }
        : {}),
    }),
  );
}

async function removeDisks(env: VmsEnv, disks: readonly DiskFilePut[], signal: AbortSignal): Promise<void> {
  for (const { volume, path } of disks) await removeFile(env, { volume, path }, signal);
}

/** Through any host that mounts the volume; a file that is not there need not be removed. */
export async function removeFile(
  env: Pick<VmsEnv, 'hosts'>,
  file: { volume: string; path: string },
  signal: AbortSignal,
): Promise<void> {
  const entry = env.hosts.anyOnline(mountsVolume(file.volume));
  await entry.link.client.call('deleteDiskFile', { body: file }, { signal }).catch((thrown: unknown) => {
    if (thrown instanceof AppError && thrown.family === 'missing') return;
    throw thrown;
  });
}

export const createJob = (env: VmsEnv): AnyJobKind =>
  defineJob<Input, Memory>({
    kind: 'vm.create',
    input: inputSchema,
    memory: memorySchema,
    steps: [
      {
        name: 'record',
        title: 'Reserve its name',
        seconds: 0.05,
        deadlineMs: 60_000,
        cancellable: true,
        async do({ input }) {
          if (env.catalog.get(input.id) === undefined) await env.catalog.insert(recordOf(input.record));
          return undefined;
        },
        async undo({ input }) {
          if (env.catalog.get(input.id) !== undefined) await env.catalog.delete(input.id);
        },
      },
      {
        name: 'disks',
        title: 'Make its disk',
        seconds: 5,
        deadlineMs: 4 * 60 * 60_000,
        cancellable: true,
        async do({ input, signal, progress }) {
          for (const disk of input.disks) {
            const maker = await patiently({ sleep: env.sleep, signal }, async () =>
              env.hosts.anyOnline(mountsVolume(disk.volume)),
            );
            await byTask(
              maker,
              (stop) => maker.link.client.call('putDiskFile', { body: disk }, { signal: stop }),
              { changes: env.changes, sleep: env.sleep, signal, progress },
            );
          }
          return undefined;
        },
        undo: ({ input, signal }) =>
          patiently({ sleep: env.sleep, signal }, () => removeDisks(env, input.disks, signal)),
      },
      {
        name: 'ready',
        title: 'Record that it is there',
        seconds: 0.05,
        deadlineMs: 60_000,
        cancellable: true,
        // From here on it exists: when its start fails it stays, and is off.
        fact: true,
        async do({ input }) {
          await env.catalog.update(input.id, { lifecycle: 'present' });
          return undefined;
        },
      },
      placeStep<Input, Memory>(env, ({ start }) => start),
      startStep<Input, Memory>(env, ({ start }) => start),
    ],
    told: ({ input }) => ({
      code: 'vm.created',
      message: `${input.name} was created${input.start ? ' and started' : ''}.`,
    }),
  });

/** Back from JSON: a date has become text. */
const recordOf = (json: unknown): VmRecord =>
  vmRecordSchema.extend({ createdAt: z.coerce.date() }).parse(json);
