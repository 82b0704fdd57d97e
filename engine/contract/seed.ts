import { z } from 'zod';
import {
  cidrSchema,
  generationSchema,
  hostIdSchema,
  ipv4Schema,
  nameSchema,
} from '../../node/contract/ids.ts';

/** scrypt, as text: `scrypt$N$r$p$salt$hash`, salt and hash base64url; see engine/users/password.ts */
export const passwordHashSchema = z.string().regex(/^scrypt\$\d+\$\d+\$\d+\$[\w-]+\$[\w-]+$/);

/**
 * What formation gives the engine's VM at its first boot, on a disk with the serial `trefoil-seed`: this JSON, padded
 * with zero bytes to 1 MiB. Written by formation, read by appliance/firstboot and once by the engine. Holds secrets.
 */
export const engineSeedSchema = z.object({
  format: z.literal(1),
  generation: generationSchema,
  cluster: z.object({ id: z.uuid(), name: z.string() }),
  network: z.object({
    address: cidrSchema,
    gateway: ipv4Schema.optional(),
    dns: z.array(ipv4Schema).default([]),
    hostName: nameSchema,
  }),
  tls: z.object({ caCertificate: z.string(), certificate: z.string(), key: z.string() }),
  admin: z.object({ name: z.string().min(1).max(63), passwordHash: passwordHashSchema }),
  hosts: z
    .array(z.object({ id: hostIdSchema, name: nameSchema, address: z.string(), storageAddress: z.string() }))
    .min(1),
  etcd: z.object({ endpoints: z.array(z.url()).min(1) }),
  timeServers: z.array(z.string()),
  networks: z.array(z.object({ name: nameSchema, bridge: z.string() })),
  volumes: z.array(z.object({ name: nameSchema, forVms: z.boolean() })),
});

export type EngineSeed = z.infer<typeof engineSeedSchema>;
export const seedDiskBytes = 1024 * 1024;
