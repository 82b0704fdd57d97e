import { z } from 'zod';
import { errorBodySchema } from '../../node/contract/error.ts';
import { jobIdSchema, timestampSchema } from './common.ts';

/**
 *   queued -> running -> done
 *             running -> cancelling -> undoing -> cancelled
 *             running -> undoing -> failed          (a step failed; what was done is undone)
 *             undoing -> stuck                      (an undo failed; a person must look, the sentence says at what)
 */
export const jobStateSchema = z.enum([
  'queued',
  'running',
  'cancelling',
  'undoing',
  'done',
  'failed',
  'cancelled',
  'stuck',
]);
export const jobStepSchema = z.object({
  name: z.string(),
  title: z.string(),
  state: z.enum(['waiting', 'running', 'done', 'failed', 'undoing', 'undone', 'skipped']),
  detail: z.string(),
});
export const jobSchema = z
  .object({
    id: jobIdSchema,
    kind: z.string(),
    /** "Create VM web01" */
    title: z.string(),
    state: jobStateSchema,
    /** 0..1 over the whole job */
    progress: z.number().min(0).max(1),
    secondsLeft: z.number().optional(),
    steps: z.array(jobStepSchema),
    subject: z
      .object({ kind: z.enum(['vm', 'host', 'image', 'volume']), id: z.string(), name: z.string() })
      .optional(),
    user: z.string(),
    canCancel: z.boolean(),
    error: errorBodySchema.shape.error.optional(),
    createdAt: timestampSchema,
    endedAt: timestampSchema.optional(),
  })
  .meta({ id: 'Job' });
export type JobState = z.infer<typeof jobStateSchema>;
export type JobStep = z.infer<typeof jobStepSchema>;
export type Job = z.infer<typeof jobSchema>;
