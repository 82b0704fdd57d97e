import { z } from 'zod';
import { passwordHashSchema } from '../../engine/contract/seed.ts';
import { clusterHostRoleSchema } from '../../node/contract/cluster.ts';
import { brickPutSchema } from '../../node/contract/disks.ts';
import {
  cidrSchema,
  diskIdSchema,
  hostIdSchema,
  imageIdSchema,
  ipv4Schema,
  nameSchema,
} from '../../node/contract/ids.ts';
import { hostNetworkSchema } from '../../node/contract/network.ts';
import { diskFormatSchema, vmSpecSchema } from '../../node/contract/vms.ts';

/** Everything formation will do, decided. Kept in the journal; holds no secret but the password's hash. */
export const planHostSchema = z.object({
  id: hostIdSchema,
  name: nameSchema,
  first: z.boolean(),
  role: clusterHostRoleSchema,
  /** where it answers before its networks are set up */
  foundAt: z.string(),
  /** its management address from then on */
  address: ipv4Schema,
  storageAddress: ipv4Schema,
  networks: z.array(hostNetworkSchema),
  etcdMember: z.boolean(),
  fsyncP99Ms: z.number().optional(),
  bricks: z.array(z.object({ name: nameSchema, place: brickPutSchema.shape.place })),
});

export const planVolumeSchema = z.object({
  name: nameSchema,
  layout: z.enum(['single', 'replica-3', 'replica-2-arbiter']),
  forVms: z.boolean(),
  /** in order, replica sets one after the other */
  bricks: z.array(z.object({ host: nameSchema, brick: nameSchema })),
});

export const stepKindSchema = z.enum([
  'authority',
  'join',
  'pair',
  'time',
  'network',
  'reach',
  'etcd',
  'peers',
  'bricks',
  'volume',
  'mounts',
  'declare',
  'engine-disks',
  'engine-seed',
  'engine-start',
  'images',
  'engine-ready',
  'self-check',
  'tidy',
]);
export const stepSchema = z.object({
  /** unique in a plan; `pair-host2` */
  id: z.string(),
  kind: stepKindSchema,
  /** the host or volume that it is about */
  subject: z.string().optional(),
  /** what a person reads */
  title: z.string(),
  /** about how long it takes */
  seconds: z.number(),
});

export const planSchema = z.object({
  format: z.literal(1),
  cluster: z.object({ id: z.uuid(), name: z.string() }),
  version: z.string(),
  cpuModel: z.string(),
  admin: z.object({ name: z.string(), passwordHash: passwordHashSchema }),
  hosts: z.array(planHostSchema).min(1),
  etcdToken: z.string(),
  volumes: z.array(planVolumeSchema),
  timeServers: z.array(z.string()),
  engine: z.object({
    spec: vmSpecSchema,
    address: cidrSchema,
    gateway: ipv4Schema.optional(),
    dns: z.array(ipv4Schema),
    hostName: nameSchema,
    names: z.array(z.string()),
    systemDisk: z.object({ id: diskIdSchema, sizeMiB: z.number().int() }),
    dataDisk: z.object({ id: diskIdSchema, sizeMiB: z.number().int() }),
  }),
  images: z.array(
    z.object({ id: imageIdSchema, name: z.string(), file: z.string(), format: diskFormatSchema }),
  ),
  steps: z.array(stepSchema),
});

export type PlanHost = z.infer<typeof planHostSchema>;
export type PlanVolume = z.infer<typeof planVolumeSchema>;
export type Plan = z.infer<typeof planSchema>;
export type Step = z.infer<typeof stepSchema>;
export type StepKind = z.infer<typeof stepKindSchema>;

export const firstOf = (plan: Plan): PlanHost => {
  const first = plan.hosts.find((host) => host.first);
  if (first === undefined) throw new Error('a plan has a first host');
  return first;
};
export const etcdMembersOf = (plan: Plan): PlanHost[] => plan.hosts.filter((host) => host.etcdMember);
/** Hosts that run VMs, and so mount the volumes. */
export const runnersOf = (plan: Plan): PlanHost[] => plan.hosts.filter((host) => host.role !== 'arbiter');
