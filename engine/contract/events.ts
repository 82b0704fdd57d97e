import { z } from 'zod';
import { timestampSchema } from './common.ts';
import { haStateSchema } from './ha.ts';
import { overviewSchema } from './health.ts';
import { hostSchema } from './hosts.ts';
import { jobSchema } from './jobs.ts';
import { imageSchema, volumeSchema } from './storage.ts';
import { vmSchema } from './vms.ts';

/** A fact in the past tense, kept in the database and shown to people. GET /api/v1/events?after=&limit= (JSON page). */
export const eventSchema = z
  .object({
    id: z.number().int(),
    at: timestampSchema,
    severity: z.enum(['info', 'warning', 'error']),
    code: z.string(),
    message: z.string(),
    subject: z.object({ kind: z.string(), id: z.string(), name: z.string() }).optional(),
    user: z.string().optional(),
    jobId: z.uuid().optional(),
  })
  .meta({ id: 'Event' });

/**
 * GET /api/v1/events with `Accept: text/event-stream`: what changes, as it happens. After (re)connecting, `hello` is
 * sent first and the client reads the lists anew; each message is the whole new state of one thing, or its removal.
 */
export const liveMessageSchema = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('hello'), now: timestampSchema }),
  z.object({ kind: z.literal('vm'), vm: vmSchema }),
  z.object({ kind: z.literal('vm-gone'), id: z.string() }),
  z.object({ kind: z.literal('host'), host: hostSchema }),
  z.object({ kind: z.literal('volume'), volume: volumeSchema }),
  z.object({ kind: z.literal('image'), image: imageSchema }),
  z.object({ kind: z.literal('image-gone'), id: z.string() }),
  z.object({ kind: z.literal('job'), job: jobSchema }),
  z.object({ kind: z.literal('event'), event: eventSchema }),
  z.object({ kind: z.literal('overview'), overview: overviewSchema }),
  z.object({ kind: z.literal('ha'), ha: haStateSchema }),
]);
export type Event = z.infer<typeof eventSchema>;
export type LiveMessage = z.infer<typeof liveMessageSchema>;
