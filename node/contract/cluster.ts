import { z } from 'zod';
import { cidrSchema, generationSchema, hostIdSchema, ipv4Schema, nameSchema } from './ids.ts';
import { brickAddressSchema } from './storage.ts';
import { vmSpecSchema } from './vms.ts';

/**
 * What the hosts know together while the engine is down: JSON under the keys of etcd.ts. Written first by formation, in
 * one transaction; from then on by the engine. All that is needed to start the engine again, or to make a new one.
 */
export const clusterDocumentSchema = z.object({
  format: z.literal(1),
  generation: generationSchema,
  id: z.uuid(),
  name: z.string(),
  formedAt: z.iso.datetime(),
  /** the product's version that formed it */
  version: z.string(),
  /** the CPU that VMs see, so that each host can take them from each other */
  cpuModel: z.string(),
  timeServers: z.array(z.string()),
  engine: z.object({
    /** the engine's VM, ready for PUT /v1/vms/{id} */
    spec: vmSpecSchema,
    address: cidrSchema,
    hostName: nameSchema,
    /** all names and addresses that its certificate is good for */
    names: z.array(z.string()),
  }),
});

/** `arbiter`: a witness, it runs no VMs and holds no data but the arbiter's; `compute`: runs VMs, has no brick */
export const clusterHostRoleSchema = z.enum(['full', 'arbiter', 'compute']);

/** hosts/<id> */
export const clusterHostSchema = z.object({
  id: hostIdSchema,
  name: nameSchema,
  role: clusterHostRoleSchema,
  address: ipv4Schema,
  storageAddress: ipv4Schema,
  etcdMember: z.boolean(),
  joinedAt: z.iso.datetime(),
});

/** volumes/<name> */
export const clusterVolumeSchema = z.object({
  name: nameSchema,
  layout: z.enum(['single', 'replica-3', 'replica-2-arbiter']),
  forVms: z.boolean(),
  bricks: z.array(brickAddressSchema).min(1),
});

/** networks/<name> */
export const clusterNetworkSchema = z.object({
  name: nameSchema,
  /** the bridge that VMs attach to; absent: VMs cannot */
  bridge: z.string().optional(),
  mtu: z.number().int(),
  cidr: cidrSchema.optional(),
});

export type ClusterDocument = z.infer<typeof clusterDocumentSchema>;
export type ClusterHostRole = z.infer<typeof clusterHostRoleSchema>;
export type ClusterHost = z.infer<typeof clusterHostSchema>;
export type ClusterVolume = z.infer<typeof clusterVolumeSchema>;
export type ClusterNetwork = z.infer<typeof clusterNetworkSchema>;
