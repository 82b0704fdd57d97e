import { z } from 'zod';
import { forget } from '../ha/store.ts';
import { patiently } from '../hosts/patience.ts';
import { type AnyJobKind, defineJob } from '../jobs/kind.ts';
import type { VmsEnv } from './env.ts';
import { isHa, stopByHa } from './ha.ts';
import { removeFile } from './job-create.ts';
import { vmInputSchema } from './job-start.ts';
import { forgetOnHost } from './steps.ts';

const memorySchema = z.object({});
type Input = z.infer<typeof vmInputSchema>;
type Memory = z.infer<typeof memorySchema>;

export const deleteJob = (env: VmsEnv): AnyJobKind =>
  defineJob<Input, Memory>({
    kind: 'vm.delete',
    input: vmInputSchema,
    memory: memorySchema,
    steps: [
      {
        name: 'mark',
        title: 'Mark it as being deleted',
        seconds: 0.05,
        deadlineMs: 60_000,
        cancellable: true,
        async do({ input }) {
          await env.catalog.update(input.id, { lifecycle: 'deleting', note: '' });
          return undefined;
        },
        async undo({ input }) {
          if (env.catalog.get(input.id) !== undefined)
            await env.catalog.update(input.id, {
              lifecycle: 'present',
              note: 'Deleting it did not succeed; delete it again.',
            });
        },
      },
      {
        name: 'forget',
        title: 'Take it off its hosts',
        seconds: 0.2,
        deadlineMs: 60_000,
        cancellable: true,
        async do({ input, signal, progress }) {
          const record = env.catalog.need(input.id);
          if (isHa(env.ha, record)) await stopByHa(env, input.id, { signal, progress });
          await patiently({ sleep: env.sleep, signal }, () => forget(env.ha.store, input.id));
          for (const entry of env.hosts.online())
            if (entry.picture?.vms.has(input.id) === true)
              await patiently({ sleep: env.sleep, signal }, () => forgetOnHost(entry, input.id, signal));
          await env.catalog.update(input.id, { power: 'off', hostId: null });
          return undefined;
        },
      },
      {
        name: 'disks',
        title: 'Delete its disks',
        seconds: 1,
        deadlineMs: 10 * 60_000,
        cancellable: false,
        async do({ input, signal }) {
          for (const { volume, path } of env.catalog.get(input.id)?.hardware.disks ?? [])
            await patiently({ sleep: env.sleep, signal }, () => removeFile(env, { volume, path }, signal));
          return undefined;
        },
      },
      {
        name: 'record',
        title: 'Remove its record',
        seconds: 0.05,
        deadlineMs: 60_000,
        cancellable: false,
        async do({ input }) {
          if (env.catalog.get(input.id) !== undefined) await env.catalog.delete(input.id);
          return undefined;
        },
      },
    ],
    told: ({ input }) => ({ code: 'vm.deleted', message: `${input.name} was deleted, with its disks.` }),
  });
