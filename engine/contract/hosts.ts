import { z } from 'zod';
import { announcementSchema } from '../../node/contract/host.ts';
import { hostIdSchema, nameSchema, vmIdSchema } from '../../node/contract/ids.ts';
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
    /** it takes no VMs; `moving`: those that it has are being moved away */
    maintenance: z
      .object({
        state: z.enum(['moving', 'ready']),
        by: z.string(),
        since: timestampSchema,
        reason: z.string(),
      })
      .optional(),
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

/** GET /api/v1/hosts/{id}/maintenance: what would be moved where, and what speaks against it, sentences */
export const maintenancePlanSchema = z
  .object({
    moves: z.array(z.object({ id: vmIdSchema, name: z.string(), to: nameSchema.optional() })),
    against: z.array(z.string()),
  })
  .meta({ id: 'MaintenancePlan' });
/** POST: refused with all that speaks against it, else the job that moves all VMs away */
export const maintenanceBeginSchema = z.strictObject({ reason: z.string().max(200).default('') });

export type MaintenancePlan = z.infer<typeof maintenancePlanSchema>;
export type HostState = z.infer<typeof hostStateSchema>;
export type Host = z.infer<typeof hostSchema>;
export type DiscoveredHost = z.infer<typeof discoveredHostSchema>;
export type HostAdd = z.infer<typeof hostAddSchema>;
