import { z } from 'zod';
import {
  diskIdSchema,
  generationSchema,
  hostIdSchema,
  imageIdSchema,
  nameSchema,
  vmIdSchema,
} from './ids.ts';

export const diskFormatSchema = z.enum(['raw', 'qcow2']);

/** Where a disk's file is: on a mounted volume, by path relative to the volume's root. No `..`, no absolute path. */
export const diskPathSchema = z
  .string()
  .regex(/^[A-Za-z0-9][A-Za-z0-9._-]*(\/[A-Za-z0-9][A-Za-z0-9._-]*)*$/, 'a relative path without ..');

export const vmDiskSchema = z.object({
  /** also the serial number that the guest sees */
  serial: z.string().regex(/^[A-Za-z0-9_-]{1,20}$/),
  volume: nameSchema,
  path: diskPathSchema,
  format: diskFormatSchema,
  readOnly: z.boolean().default(false),
  bus: z.enum(['virtio', 'sata']).default('virtio'),
  /** lower boots first; absent: not booted from */
  bootOrder: z.number().int().min(1).max(16).optional(),
});

export const vmNicSchema = z.object({
  mac: z.string().regex(/^([0-9a-f]{2}:){5}[0-9a-f]{2}$/),
  /** the network's name; the host knows its bridge */
  network: nameSchema,
  model: z.enum(['virtio', 'e1000e']).default('virtio'),
});

/** First-boot data for cloud-init's NoCloud source, given to the guest as a small disk labelled CIDATA. */
export const cloudInitSchema = z.object({
  metaData: z.string().max(16_384),
  userData: z.string().max(65_536),
  networkConfig: z.string().max(16_384).optional(),
});

export const vmSpecSchema = z.object({
  id: vmIdSchema,
  name: z
    .string()
    .min(1)
    .max(63)
    .regex(/^[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?$/),
  cpus: z.number().int().min(1).max(128),
  memoryMiB: z.number().int().min(64).max(4_194_304),
  /** `host`: all that this host's CPU offers; a model name makes VMs movable between unlike hosts */
  cpuModel: z
    .string()
    .regex(/^[A-Za-z0-9_-]{1,64}$/)
    .default('host'),
  machine: z.enum(['q35', 'pc']).default('q35'),
  firmware: z.enum(['bios', 'uefi']).default('bios'),
  disks: z.array(vmDiskSchema).max(24),
  nics: z.array(vmNicSchema).max(16),
  cloudInit: cloudInitSchema.optional(),
  /** volume on which the CIDATA disk is kept; needed with cloudInit */
  seedVolume: nameSchema.optional(),
  vga: z.enum(['virtio', 'std']).default('std'),
  /** the engine's own VM is protected from user actions and from being starved */
  role: z.enum(['user', 'engine']).default('user'),
});

export const vmPowerSchema = z.enum(['running', 'off']);

/** PUT /v1/vms/{id} */
export const vmPutSchema = z.object({
  generation: generationSchema,
  spec: vmSpecSchema,
  power: vmPowerSchema,
});

/** What libvirt says, in our words. `crashed` and `paused` carry why in `reason`. */
export const vmStateSchema = z.enum([
  'off',
  'starting',
  'running',
  'paused',
  'stopping',
  'migrating-out',
  'migrating-in',
  'crashed',
  'unknown',
]);

export const vmStatusSchema = z.object({
  id: vmIdSchema,
  name: z.string(),
  state: vmStateSchema,
  reason: z.string(),
  generation: generationSchema,
  power: vmPowerSchema,
  cpus: z.number().int(),
  memoryMiB: z.number().int(),
  startedAt: z.iso.datetime().optional(),
  role: z.enum(['user', 'engine']),
  accelerator: z.enum(['kvm', 'tcg']).optional(),
});

export const vmStatisticsSchema = z.object({
  id: vmIdSchema,
  at: z.iso.datetime(),
  /** grows; in nanoseconds of all vCPUs together */
  cpuTimeNs: z.number().nonnegative(),
  memoryUsedMiB: z.number().nonnegative().optional(),
  diskReadBytes: z.number().nonnegative(),
  diskWriteBytes: z.number().nonnegative(),
  netReceiveBytes: z.number().nonnegative(),
  netSendBytes: z.number().nonnegative(),
});

/** shutdown asks the guest, stop cuts the power, reboot asks, reset cuts. */
export const vmActionSchema = z.enum(['shutdown', 'stop', 'reboot', 'reset']);
export const vmActionRequestSchema = z.object({ action: vmActionSchema });

/** POST /v1/vms/{id}/migrate on the source: answers with a task */
export const vmMigrateRequestSchema = z.object({
  targetHostId: hostIdSchema,
  /** management address of the target's agent */
  targetAddress: z.string(),
  maxDowntimeMs: z.number().int().min(10).max(10_000).default(300),
});

/**
 * PUT /v1/vms/{id}/incoming, from the host that runs a VM to the one that it is to move to: only what was announced so
 * gets a tunnel, and only from the host that announced it.
 */
export const vmExpectSchema = z.object({
  generation: generationSchema,
  spec: vmSpecSchema,
  startedAt: z.iso.datetime().optional(),
  accelerator: z.enum(['kvm', 'tcg']),
  fromName: z.string().max(253),
});
export const vmExpectedSchema = z.object({ hostName: z.string() });

/** PUT /v1/vms/{id}/serial-history: what a VM wrote to its serial console on the host that it came from, newest part */
export const vmSerialHistorySchema = z.object({ base64: z.base64().max(1_048_576) });

/** PUT /v1/disks-files: make sure that a disk's file exists */
export const diskFilePutSchema = z.object({
  id: diskIdSchema,
  volume: nameSchema,
  path: diskPathSchema,
  format: diskFormatSchema,
  sizeMiB: z.number().int().min(1).max(67_108_864),
  /** copied from there when given, then grown to sizeMiB */
  from: z
    .discriminatedUnion('kind', [
      z.object({
        kind: z.literal('file'),
        volume: nameSchema,
        path: diskPathSchema,
        format: diskFormatSchema,
      }),
      /** the engine VM's image that this host's system carries, see appliance/ */
      z.object({ kind: z.literal('engine-image') }),
    ])
    .optional(),
});

/** PUT /v1/engine-seed: writes the engine's seed (engine/contract/seed.ts) as a raw disk of 1 MiB, whole or not at all */
export const engineSeedPutSchema = z.object({
  volume: nameSchema,
  path: diskPathSchema,
  seed: z.record(z.string(), z.unknown()),
});

export const diskFileStatusSchema = z.object({
  volume: nameSchema,
  path: diskPathSchema,
  format: diskFormatSchema,
  virtualSizeMiB: z.number(),
  usedMiB: z.number(),
});

export const diskFileDeleteSchema = z.object({ volume: nameSchema, path: diskPathSchema });

/** An image is a file that disks are made from; kept on a volume under images/. */
export const imageFileSchema = z.object({
  id: imageIdSchema,
  name: z.string(),
  volume: nameSchema,
  path: diskPathSchema,
  format: diskFormatSchema,
  sizeMiB: z.number(),
});

export type DiskFormat = z.infer<typeof diskFormatSchema>;
export type VmDisk = z.infer<typeof vmDiskSchema>;
export type VmNic = z.infer<typeof vmNicSchema>;
export type CloudInit = z.infer<typeof cloudInitSchema>;
export type VmSpec = z.infer<typeof vmSpecSchema>;
export type VmPower = z.infer<typeof vmPowerSchema>;
export type VmPut = z.infer<typeof vmPutSchema>;
export type VmState = z.infer<typeof vmStateSchema>;
export type VmStatus = z.infer<typeof vmStatusSchema>;
export type VmStatistics = z.infer<typeof vmStatisticsSchema>;
export type VmAction = z.infer<typeof vmActionSchema>;
export type VmMigrateRequest = z.infer<typeof vmMigrateRequestSchema>;
export type VmExpect = z.infer<typeof vmExpectSchema>;
export type DiskFilePut = z.infer<typeof diskFilePutSchema>;
export type EngineSeedPut = z.infer<typeof engineSeedPutSchema>;
export type DiskFileStatus = z.infer<typeof diskFileStatusSchema>;
export type ImageFile = z.infer<typeof imageFileSchema>;
