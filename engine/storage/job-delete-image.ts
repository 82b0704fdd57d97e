import { z } from 'zod';
import { imageIdSchema } from '../../node/contract/ids.ts';
import type { Hosts } from '../hosts/hosts.ts';
import { patiently } from '../hosts/patience.ts';
import { type AnyJobKind, defineJob } from '../jobs/kind.ts';
import { removeFile } from '../vms/job-create.ts';
import type { Images } from './images.ts';

const inputSchema = z.object({ id: imageIdSchema, name: z.string(), volume: z.string(), path: z.string() });
const memorySchema = z.object({});

export const deleteImageJob = (env: {
  hosts: Hosts;
  images: Images;
  sleep(ms: number, signal: AbortSignal): Promise<void>;
}): AnyJobKind =>
  defineJob<z.infer<typeof inputSchema>, z.infer<typeof memorySchema>>({
    kind: 'image.delete',
    input: inputSchema,
    memory: memorySchema,
    steps: [
      {
        name: 'delete',
        title: 'Delete its file',
        seconds: 1,
        deadlineMs: 10 * 60_000,
        cancellable: false,
        async do({ input: { id, volume, path }, signal }) {
          await patiently({ sleep: env.sleep, signal }, () => removeFile(env, { volume, path }, signal));
          await env.images.forget(id);
          return undefined;
        },
      },
    ],
    told: ({ input }) => ({ code: 'image.deleted', message: `The image ${input.name} was deleted.` }),
  });
