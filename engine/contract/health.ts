import { z } from 'zod';
import { engineStateSchema } from '../../node/contract/engine-channel.ts';

/** GET /api/v1/health, no login. 200 only when the database answers, else 503 with the same shape. */
export const healthSchema = z
  .object({
    state: engineStateSchema,
    version: z.string(),
  })
  .meta({ id: 'Health' });

/** GET /api/v1/overview: is everything fine, can I lose a host? */
export const overviewSchema = z
  .object({
    state: z.enum(['fine', 'attention', 'trouble']),
    /** one plain sentence */
    headline: z.string(),
    canLoseAHost: z.object({ answer: z.enum(['yes', 'no', 'unknown']), why: z.string() }),
    problems: z.array(
      z.object({
        severity: z.enum(['warning', 'error']),
        code: z.string(),
        message: z.string(),
        remedy: z.string().optional(),
        subject: z.object({
          kind: z.enum(['host', 'volume', 'vm', 'engine']),
          id: z.string(),
          name: z.string(),
        }),
      }),
    ),
    hosts: z.object({ total: z.number(), online: z.number() }),
    vms: z.object({ total: z.number(), running: z.number() }),
    memory: z.object({ totalMiB: z.number(), usedMiB: z.number() }),
    cpu: z.object({ threads: z.number(), busyPercent: z.number() }),
    storage: z.object({ totalMiB: z.number(), usedMiB: z.number() }),
  })
  .meta({ id: 'Overview' });
export type Health = z.infer<typeof healthSchema>;
export type Overview = z.infer<typeof overviewSchema>;
