import { z } from 'zod';
import { generationSchema, ipv4Schema, nameSchema } from './ids.ts';

/** PUT /v1/etcd: this host is a member of the cluster's etcd; certificates are the host's own */
export const etcdPutSchema = z.object({
  generation: generationSchema,
  name: nameSchema,
  address: ipv4Schema,
  members: z
    .array(z.object({ name: nameSchema, address: ipv4Schema }))
    .min(1)
    .max(5),
  /** `new`: all members start together; `existing`: this one was added to a running cluster */
  initialState: z.enum(['new', 'existing']),
  clusterToken: z.string().min(8).max(64),
  /** measured; sets the heartbeat and election times */
  fsyncP99Ms: z.number().positive().optional(),
});

export const etcdStatusSchema = z.object({
  configured: z.boolean(),
  running: z.boolean(),
  healthy: z.boolean(),
  memberId: z.string().optional(),
  leader: z.boolean().optional(),
  dbSizeBytes: z.number().optional(),
  reason: z.string(),
});

/** The endpoints and keys of the cluster document in etcd; see node/etcd/README.md for what each holds. */
export const etcdKeys = {
  prefix: '/trefoil/v1/',
  cluster: '/trefoil/v1/cluster',
  host: (id: string) => `/trefoil/v1/hosts/${id}`,
  hosts: '/trefoil/v1/hosts/',
  caCertificate: '/trefoil/v1/ca/cert',
  caKey: '/trefoil/v1/ca/key',
  volume: (name: string) => `/trefoil/v1/volumes/${name}`,
  volumes: '/trefoil/v1/volumes/',
  network: (name: string) => `/trefoil/v1/networks/${name}`,
  networks: '/trefoil/v1/networks/',
} as const;

export type EtcdPut = z.infer<typeof etcdPutSchema>;
export type EtcdStatus = z.infer<typeof etcdStatusSchema>;
