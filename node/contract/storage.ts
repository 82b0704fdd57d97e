import { z } from 'zod';
import { generationSchema, ipv4Schema, nameSchema } from './ids.ts';

/** PUT /v1/gluster/peers: the storage addresses that shall be peers (this host's own is ignored). Never detaches. */
export const glusterPeersPutSchema = z.object({ addresses: z.array(ipv4Schema).max(12) });
export const glusterPeerSchema = z.object({
  address: z.string(),
  uuid: z.string(),
  connected: z.boolean(),
  state: z.string(),
});

export const brickAddressSchema = z.object({ address: ipv4Schema, path: z.string().startsWith('/') });

/** PUT /v1/gluster/volumes/{name} on one host; bricks in order, replica sets one after the other */
export const glusterVolumePutSchema = z.object({
  generation: generationSchema,
  layout: z.discriminatedUnion('kind', [
    z.object({ kind: z.literal('single') }),
    z.object({ kind: z.literal('replica-3') }),
    z.object({ kind: z.literal('replica-2-arbiter') }),
  ]),
  bricks: z.array(brickAddressSchema).min(1),
  /** storage addresses that may mount it */
  allowedAddresses: z.array(ipv4Schema).min(1),
});

/** PUT /v1/mounts/{volume}: this host mounts the volume at /var/lib/trefoil/volumes/{volume} now and at each boot */
export const mountPutSchema = z.object({
  generation: generationSchema,
  /** storage addresses that can give the volume's description, own first */
  servers: z.array(ipv4Schema).min(1),
});

export const volumeStateSchema = z.enum([
  'healthy',
  'healing',
  'degraded',
  'split-brain',
  'offline',
  'unknown',
]);

/** A volume as this host sees it. `summary` is one plain sentence. */
export const volumeStatusSchema = z.object({
  name: nameSchema,
  state: volumeStateSchema,
  summary: z.string(),
  layout: z.enum(['single', 'replica-3', 'replica-2-arbiter', 'other']),
  mounted: z.boolean(),
  bricks: z.array(
    z.object({
      address: z.string(),
      path: z.string(),
      online: z.boolean(),
      /** this host's mount is connected to it; undefined when not mounted here */
      connectedHere: z.boolean().optional(),
      healPending: z.number().int().optional(),
    }),
  ),
  sizeMiB: z.number(),
  freeMiB: z.number(),
  healPending: z.number().int().optional(),
  splitBrain: z.number().int().optional(),
  checkedAt: z.iso.datetime(),
});

export type GlusterPeersPut = z.infer<typeof glusterPeersPutSchema>;
export type GlusterPeer = z.infer<typeof glusterPeerSchema>;
export type GlusterVolumePut = z.infer<typeof glusterVolumePutSchema>;
export type MountPut = z.infer<typeof mountPutSchema>;
export type VolumeState = z.infer<typeof volumeStateSchema>;
export type VolumeStatus = z.infer<typeof volumeStatusSchema>;
