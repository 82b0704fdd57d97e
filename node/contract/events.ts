import { z } from 'zod';
import { hostLoadSchema } from './host.ts';
import { volumeStatusSchema } from './storage.ts';
import { taskSchema } from './tasks.ts';
import { unitStatusSchema } from './units.ts';
import { vmStatisticsSchema, vmStatusSchema } from './vms.ts';

/**
 * GET /v1/events (server-sent events): first one `snapshot-done` after all present states, then changes.
 * The SSE `id` is a number that grows while the agent lives; `event` is the kind, `data` this JSON.
 */
export const nodeEventSchema = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('vm'), status: vmStatusSchema }),
  /** the domain and its spec are gone from this host (deleted, or moved away) */
  z.object({ kind: z.literal('vm-gone'), id: vmStatusSchema.shape.id, reason: z.string() }),
  z.object({ kind: z.literal('vm-statistics'), statistics: z.array(vmStatisticsSchema) }),
  z.object({ kind: z.literal('load'), load: hostLoadSchema }),
  z.object({ kind: z.literal('volume'), status: volumeStatusSchema }),
  z.object({ kind: z.literal('task'), task: taskSchema }),
  z.object({ kind: z.literal('unit'), status: unitStatusSchema }),
  /** something a person may want to read later */
  z.object({
    kind: z.literal('notice'),
    at: z.iso.datetime(),
    severity: z.enum(['info', 'warning', 'error']),
    code: z.string(),
    message: z.string(),
  }),
  z.object({ kind: z.literal('snapshot-done') }),
  z.object({ kind: z.literal('heartbeat'), now: z.iso.datetime() }),
]);
export type NodeEvent = z.infer<typeof nodeEventSchema>;
