import { z } from 'zod';

/** Ids are lower-case UUIDs; the brand keeps a VM's id from being passed as a host's. */
const uuid = z.uuid().transform((value) => value.toLowerCase());
export const hostIdSchema = uuid.brand<'HostId'>();
export const vmIdSchema = uuid.brand<'VmId'>();
export const diskIdSchema = uuid.brand<'DiskId'>();
export const imageIdSchema = uuid.brand<'ImageId'>();
export const taskIdSchema = uuid.brand<'TaskId'>();
export type HostId = z.infer<typeof hostIdSchema>;
export type VmId = z.infer<typeof vmIdSchema>;
export type DiskId = z.infer<typeof diskIdSchema>;
export type ImageId = z.infer<typeof imageIdSchema>;
export type TaskId = z.infer<typeof taskIdSchema>;

/** A DNS label: host names, volume names, network names, brick names. Also safe as a file name. */
export const nameSchema = z
  .string()
  .min(1)
  .max(63)
  .regex(/^[a-z0-9]([a-z0-9-]*[a-z0-9])?$/, 'use lower-case letters, digits and hyphens');

export const ipv4Schema = z.ipv4();
/** Address with prefix length, e.g. 10.77.0.11/24 */
export const cidrSchema = z.cidrv4();

/** Grows with each change by the one who wants it; a host ignores a PUT with an older one (`conflict`). */
export const generationSchema = z.number().int().nonnegative();
