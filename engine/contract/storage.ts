import { z } from 'zod';
import { imageIdSchema, nameSchema } from '../../node/contract/ids.ts';
import { volumeStateSchema } from '../../node/contract/storage.ts';
import { timestampSchema } from './common.ts';

/** GET /api/v1/volumes */
export const volumeSchema = z
  .object({
    name: nameSchema,
    state: volumeStateSchema,
    summary: z.string(),
    layout: z.string(),
    /** VMs' disks can be put on it */
    forVms: z.boolean(),
    sizeMiB: z.number(),
    freeMiB: z.number(),
    healPending: z.number().int(),
    splitBrain: z.number().int(),
    bricks: z.array(
      z.object({
        host: z.string(),
        path: z.string(),
        online: z.boolean(),
        /** hosts whose mount is not connected to this brick */
        missingFrom: z.array(z.string()),
        healPending: z.number().int().optional(),
      }),
    ),
    checkedAt: timestampSchema,
  })
  .meta({ id: 'Volume' });
/** GET /api/v1/images; POST /api/v1/images?name=&format=&volume= uploads (octet-stream) */
export const imageSchema = z
  .object({
    id: imageIdSchema,
    name: z.string(),
    volume: nameSchema,
    format: z.enum(['raw', 'qcow2']),
    sizeMiB: z.number(),
    createdAt: timestampSchema,
  })
  .meta({ id: 'Image' });
export const imageUploadQuerySchema = z.object({
  name: z.string().min(1, 'give it a name').max(200),
  format: z.enum(['raw', 'qcow2']),
  volume: nameSchema.default('data'),
});
export const networkSchema = z.object({ name: nameSchema, bridge: z.string() }).meta({ id: 'Network' });

export type Volume = z.infer<typeof volumeSchema>;
export type Image = z.infer<typeof imageSchema>;
export type Network = z.infer<typeof networkSchema>;
