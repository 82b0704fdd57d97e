import { z } from 'zod';
import { announcementSchema } from '../../node/contract/host.ts';
import { hostIdSchema, nameSchema } from '../../node/contract/ids.ts';
import { pairingCodeSchema } from '../../node/contract/pairing.ts';
import { timestampSchema } from './common.ts';

/** `connecting` until the first full picture arrived; `unreachable` says nothing about whether it runs. */
export const hostStateSchema = z.enum(['connecting', 'online', 'unreachable', 'joining']);

export const hostSchema = z
  .object({
    id: hostIdSchema,
    name: nameSchema,
    address: z.string(),
    storageAddress: z.string(),
    state: hostStateSchema,
    /** why it is in this state, a plain sentence */
    reason: z.string(),
    version: z.string(),
    cpu: z.object({
      model: z.string(),
      threads: z.number(),
      busyPercent: z.number(),
      accelerator: z.enum(['kvm', 'tcg']),
    }),
    memory: z.object({ totalMiB: z.number(), availableMiB: z.number() }),
    machine: z.string(),
    vmCount: z.number().int(),
    runsEngine: z.boolean(),
    lastSeenAt: timestampSchema.optional(),
    bootedAt: timestampSchema.optional(),
  })
  .meta({ id: 'Host' });

/** GET /api/v1/hosts/discovered: what scanning found and is not yet of this cluster */
export const discoveredHostSchema = announcementSchema.extend({ seenAt: timestampSchema });
/** POST /api/v1/hosts: pairs with a discovered host and makes it a compute member; answers with a job */
export const hostAddSchema = z.strictObject({
  id: hostIdSchema,
  address: z.string(),
  name: nameSchema,
  code: pairingCodeSchema,
});

export type HostState = z.infer<typeof hostStateSchema>;
export type Host = z.infer<typeof hostSchema>;
export type DiscoveredHost = z.infer<typeof discoveredHostSchema>;
export type HostAdd = z.infer<typeof hostAddSchema>;
