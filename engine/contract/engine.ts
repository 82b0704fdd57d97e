import { z } from 'zod';
import { timestampSchema } from './common.ts';

/** A loop that runs in the background: what it is for, how often, and how the last round went. */
export const backgroundLoopSchema = z.object({
  name: z.string(),
  purpose: z.string(),
  periodMs: z.number().int(),
  rounds: z.number().int(),
  lastRanAt: timestampSchema.optional(),
  lastTookMs: z.number().optional(),
  lastResult: z.string(),
});

/** GET /api/v1/engine: the engine about itself */
export const engineStatusSchema = z.object({
  version: z.string(),
  cluster: z.object({ id: z.uuid(), name: z.string() }).optional(),
  startedAt: timestampSchema,
  memoryMiB: z.number(),
  /** additions to the API since 1.0, by name, so that a client can ask before it uses one */
  extensions: z.array(z.string()),
  loops: z.array(backgroundLoopSchema),
});
export type BackgroundLoop = z.infer<typeof backgroundLoopSchema>;
export type EngineStatus = z.infer<typeof engineStatusSchema>;
