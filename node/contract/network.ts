import { z } from 'zod';
import { cidrSchema, generationSchema, ipv4Schema, nameSchema } from './ids.ts';

export const hostNicSchema = z.object({
  name: z.string(),
  mac: z.string(),
  linkUp: z.boolean(),
  speedMbps: z.number().optional(),
  mtu: z.number().int(),
  addresses: z.array(z.string()),
  bridge: z.string().optional(),
  driver: z.string().optional(),
});

export const addressingSchema = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('dhcp') }),
  z.object({
    kind: z.literal('static'),
    address: cidrSchema,
    gateway: ipv4Schema.optional(),
    dns: z.array(ipv4Schema).default([]),
  }),
]);

/** One network of the cluster as it is on this host. With `bridge`, VMs can attach to it. */
export const hostNetworkSchema = z.object({
  name: nameSchema,
  nic: z.string().min(1).max(15),
  vlan: z.number().int().min(1).max(4094).optional(),
  mtu: z.number().int().min(1280).max(9216).default(1500),
  bridge: z.boolean(),
  addressing: addressingSchema,
});

/** PUT /v1/network: applied at once, reverted after `confirmWithinMs` unless POST /v1/network/confirm arrives. */
export const networkPutSchema = z.object({
  generation: generationSchema,
  networks: z.array(hostNetworkSchema).max(32),
  confirmWithinMs: z.number().int().min(5_000).max(600_000).default(60_000),
});
export const networkConfirmSchema = z.object({ generation: generationSchema });

export const networkStatusSchema = z.object({
  generation: generationSchema,
  state: z.enum(['default', 'confirmed', 'waiting-for-confirmation', 'reverted']),
  networks: z.array(hostNetworkSchema),
  nics: z.array(hostNicSchema),
});

/** The bridge that VMs of a network attach to. */
export const bridgeNameOf = (network: string): string => `br-${network}`.slice(0, 15);

export type HostNic = z.infer<typeof hostNicSchema>;
export type Addressing = z.infer<typeof addressingSchema>;
export type HostNetwork = z.infer<typeof hostNetworkSchema>;
export type NetworkPut = z.infer<typeof networkPutSchema>;
export type NetworkStatus = z.infer<typeof networkStatusSchema>;
