import { z } from 'zod';
import {
  fenceAgentNameSchema,
  fenceAgentSchema,
  fenceDeviceIdSchema,
  fenceOptionNameSchema,
  fenceOptionsSchema,
} from '../../node/contract/fence.ts';
import { hostIdSchema, nameSchema } from '../../node/contract/ids.ts';
import { timestampSchema } from './common.ts';

const hostNameSchema = z.object({ id: hostIdSchema, name: nameSchema });

/** GET /api/v1/fence/agents: kinds of fence devices, each with the form that it asks to be filled in; common ones first */
export const fenceKindSchema = fenceAgentSchema
  .extend({
    /** in plain words */
    label: z.string(),
    common: z.boolean(),
  })
  .meta({ id: 'FenceKind' });

/**
 * `unknown`: not asked since it was changed; `on`, `off`: what the device said of the host's power; `failed`: it does not
 * answer. Each device is asked once an hour.
 */
export const fenceStateSchema = z.enum(['unknown', 'on', 'off', 'failed']);

export const fenceDeviceSightSchema = z
  .object({
    id: fenceDeviceIdSchema,
    agent: fenceAgentNameSchema,
    label: z.string(),
    options: fenceOptionsSchema,
    /** secrets that are kept; what they are is never told */
    secrets: z.array(fenceOptionNameSchema),
    /** lower is used first; those of the same order are used together, and must all say off */
    order: z.number().int(),
    state: fenceStateSchema,
    /** one sentence: how it is, who asked it, and since when */
    says: z.string(),
    since: timestampSchema.optional(),
    /** hosts that do not have its password (yet): they cannot use it */
    lacking: z.array(hostNameSchema),
  })
  .meta({ id: 'FenceDevice' });

const fields = {
  agent: fenceAgentNameSchema,
  options: fenceOptionsSchema.default({}),
  /** taken once, sealed for each host, never given back */
  secrets: fenceOptionsSchema.default({}),
};
const orderSchema = z.number().int().min(0).max(9).default(0);

/** POST /api/v1/hosts/{id}/fence-devices */
export const fenceDeviceCreateSchema = z.strictObject({ ...fields, order: orderSchema });
/** PUT: as POST; a secret that is left out stays as it is, an empty text takes it away. The agent cannot be changed. */
export const fenceDeviceUpdateSchema = z.strictObject({ ...fields, order: orderSchema });
/** POST .../test: asks the device from every host that would use it; `device`: with the secrets that are kept of it */
export const fenceDeviceTestSchema = z.strictObject({ ...fields, device: fenceDeviceIdSchema.optional() });

export const fenceDeviceTestedSchema = z.object({
  /** every host that would use it got the answer that is to be expected */
  ok: z.boolean(),
  /** one sentence */
  says: z.string(),
  answers: z.array(
    z.object({
      host: hostNameSchema,
      ok: z.boolean(),
      says: z.string(),
      tookMs: z.number().int().optional(),
    }),
  ),
});

export type FenceKind = z.infer<typeof fenceKindSchema>;
export type FenceDeviceSight = z.infer<typeof fenceDeviceSightSchema>;
export type FenceDeviceState = z.infer<typeof fenceStateSchema>;
export type FenceDeviceCreate = z.infer<typeof fenceDeviceCreateSchema>;
export type FenceDeviceUpdate = z.infer<typeof fenceDeviceUpdateSchema>;
export type FenceDeviceTest = z.infer<typeof fenceDeviceTestSchema>;
export type FenceDeviceTested = z.infer<typeof fenceDeviceTestedSchema>;
