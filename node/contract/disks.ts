import { z } from 'zod';
import { generationSchema, nameSchema } from './ids.ts';

/** One disk of a host. `use` says who has it now; only `free` disks are ever taken without naming their serial. */
export const hostDiskSchema = z.object({
  path: z.string(),
  model: z.string(),
  serial: z.string(),
  sizeMiB: z.number(),
  rotational: z.boolean(),
  use: z.enum(['free', 'holds-data', 'system', 'brick', 'in-use']),
  /** what is on it, in words: "empty", "ext4 file system, label backup", "LVM member of vg0" */
  contents: z.string(),
});

/** PUT /v1/bricks/{name}: a place for one brick of one or more volumes */
export const brickPutSchema = z.object({
  generation: generationSchema,
  place: z.discriminatedUnion('kind', [
    /** the whole disk; one that holds data is only taken with `eraseData: true` */
    z.object({ kind: z.literal('disk'), serial: z.string().min(1), eraseData: z.boolean().default(false) }),
    /** a directory on the system disk: for trials and for hosts with a single disk */
    z.object({ kind: z.literal('directory') }),
  ]),
});

export const brickStatusSchema = z.object({
  name: nameSchema,
  /** brick directories of volumes are made below: `${path}/<volume>` */
  path: z.string(),
  kind: z.enum(['lvm-thin', 'disk', 'directory']),
  serial: z.string().optional(),
  mounted: z.boolean(),
  sizeMiB: z.number(),
  freeMiB: z.number(),
});

export const fsyncLatencySchema = z.object({
  p50Ms: z.number(),
  p99Ms: z.number(),
  samples: z.number().int(),
});

export type HostDisk = z.infer<typeof hostDiskSchema>;
export type BrickPut = z.infer<typeof brickPutSchema>;
export type BrickStatus = z.infer<typeof brickStatusSchema>;
export type FsyncLatency = z.infer<typeof fsyncLatencySchema>;
