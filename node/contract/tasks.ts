import { z } from 'zod';
import { errorBodySchema } from './error.ts';
import { taskIdSchema } from './ids.ts';

/** Long work on a host (copying a disk, migrating): lives as long as the agent; the engine's jobs are the durable kind. */
export const taskSchema = z.object({
  id: taskIdSchema,
  kind: z.enum(['disk-create', 'migrate', 'image-import', 'brick-prepare']),
  state: z.enum(['running', 'done', 'failed', 'cancelled']),
  /** 0..1, undefined while unknown */
  progress: z.number().min(0).max(1).optional(),
  detail: z.string(),
  startedAt: z.iso.datetime(),
  endedAt: z.iso.datetime().optional(),
  error: errorBodySchema.shape.error.optional(),
  result: z.record(z.string(), z.unknown()).optional(),
});
export type Task = z.infer<typeof taskSchema>;
