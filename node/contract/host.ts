import { z } from 'zod';
import { fsyncLatencySchema, hostDiskSchema } from './disks.ts';
import { hostIdSchema, nameSchema } from './ids.ts';
import { hostNicSchema } from './network.ts';

export const membershipSchema = z.discriminatedUnion('state', [
  z.object({ state: z.literal('unjoined') }),
  z.object({
    state: z.literal('joined'),
    clusterId: z.uuid(),
    clusterName: z.string(),
    hostName: nameSchema,
  }),
]);

/** GET /v1/host: what this machine is. Sizes in MiB, times in UTC. */
export const hostInfoSchema = z.object({
  id: hostIdSchema,
  name: z.string(),
  version: z.string(),
  membership: membershipSchema,
  machine: z.object({ vendor: z.string(), model: z.string(), serial: z.string() }),
  cpu: z.object({
    model: z.string(),
    vendor: z.string(),
    threads: z.number().int(),
    features: z.array(z.string()),
    accelerator: z.enum(['kvm', 'tcg']),
    /** models that guests can have here, as libvirt names them */
    usableModels: z.array(z.string()),
  }),
  memoryMiB: z.number(),
  bootedAt: z.iso.datetime(),
  now: z.iso.datetime(),
  nics: z.array(hostNicSchema),
  disks: z.array(hostDiskSchema),
});

/** GET /v1/host/load: cheap, for every few seconds */
export const hostLoadSchema = z.object({
  at: z.iso.datetime(),
  cpuBusyPercent: z.number(),
  memoryTotalMiB: z.number(),
  memoryAvailableMiB: z.number(),
  load1: z.number(),
});

/** What an unjoined host tells anyone who asks: GET /pair/v1/host. The same facts are in its mDNS record. */
export const announcementSchema = z.object({
  id: hostIdSchema,
  name: z.string(),
  version: z.string(),
  state: z.enum(['unjoined', 'joined']),
  addresses: z.array(z.string()),
  port: z.number().int(),
  /** SHA-256 of the certificate, hex */
  fingerprint: z.string().regex(/^[0-9a-f]{64}$/),
  machine: z.string(),
  cpuThreads: z.number().int(),
  memoryMiB: z.number(),
  diskCount: z.number().int(),
});

/** GET /v1/discovered */
export const discoveredSchema = z.object({
  hosts: z.array(announcementSchema.extend({ seenAt: z.iso.datetime() })),
});

/**
 * POST /v1/preflight: this host measures itself and its ways to the others; changes nothing. `from` is a NIC's name or one of
 * the host's own IPv4 addresses; `address` may be IPv6 link-local, so that a network can be tried before it has any.
 */
export const preflightRequestSchema = z.object({
  peers: z
    .array(z.object({ network: nameSchema, from: z.string(), address: z.string(), mtu: z.number().int() }))
    .max(64),
  /** addresses that are about to be given to somebody: who answers to one of them now is an address conflict */
  wanted: z
    .array(z.object({ nic: z.string().min(1).max(15), address: z.ipv4() }))
    .max(32)
    .default([]),
  fsyncDirectory: z.string().optional(),
});
export const preflightReportSchema = z.object({
  version: z.string(),
  now: z.iso.datetime(),
  fsync: fsyncLatencySchema.optional(),
  virtualization: z.enum(['kvm', 'none']),
  memoryMiB: z.number(),
  /** free space where the host keeps its own state */
  systemFreeMiB: z.number().optional(),
  reach: z.array(
    z.object({
      network: z.string(),
      address: z.string(),
      reachable: z.boolean(),
      fullMtu: z.boolean(),
      rttMs: z.number().optional(),
    }),
  ),
  addressConflicts: z.array(z.object({ address: z.string(), mac: z.string() })),
});

export type Membership = z.infer<typeof membershipSchema>;
export type HostInfo = z.infer<typeof hostInfoSchema>;
export type HostLoad = z.infer<typeof hostLoadSchema>;
export type Announcement = z.infer<typeof announcementSchema>;
export type Discovered = z.infer<typeof discoveredSchema>;
export type PreflightRequest = z.infer<typeof preflightRequestSchema>;
export type PreflightReport = z.infer<typeof preflightReportSchema>;
