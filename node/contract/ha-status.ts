import { z } from 'zod';
import { haNoteSchema } from './ha.ts';

/** `GET /status` on /run/trefoil/ha.sock: what one host's HA agent knows, told for people; the engine is not needed for it. */
export const haStatusSchema = z.object({
  host: z.string(),
  /** `none`: the agent has not yet looked */
  contact: z.enum(['sure', 'doubtful', 'lost', 'none']),
  /** since the store's majority answered last; null: never yet */
  contactAgeMs: z.number().nullable(),
  leader: z.string().nullable(),
  hosts: z.array(z.object({ name: z.string(), state: z.string(), why: z.string() })),
  vms: z.array(
    z.object({
      name: z.string(),
      wanted: z.enum(['running', 'stopped']),
      state: z.string(),
      host: z.string().nullable(),
      epoch: z.number().nullable(),
      why: z.string(),
    }),
  ),
  /** oldest first */
  timeline: z.array(haNoteSchema.pick({ at: true, severity: true, text: true }).extend({ by: z.string() })),
  unreadable: z.array(z.object({ key: z.string(), reason: z.string() })),
});
export const haAnswerSchema = z.object({ summary: haStatusSchema });
export type HaStatus = z.infer<typeof haStatusSchema>;
