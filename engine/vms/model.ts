import { z } from 'zod';
import {
  diskIdSchema,
  hostIdSchema,
  imageIdSchema,
  nameSchema,
  vmIdSchema,
} from '../../node/contract/ids.ts';
import {
  cloudInitSchema,
  diskFormatSchema,
  diskPathSchema,
  type VmSpec,
  vmPowerSchema,
} from '../../node/contract/vms.ts';
import { haPrioritySchema } from '../contract/ha.ts';
import { vmNameSchema } from '../contract/vms.ts';

export const vmHardwareSchema = z.object({
  cpus: z.number().int(),
  memoryMiB: z.number().int(),
  cpuModel: z.string(),
  disks: z.array(
    z.object({
      id: diskIdSchema,
      name: z.string(),
      volume: nameSchema,
      path: diskPathSchema,
      format: diskFormatSchema,
      sizeMiB: z.number().int(),
    }),
  ),
  nics: z.array(z.object({ network: nameSchema, mac: z.string() })),
  cloudInit: cloudInitSchema.optional(),
});
export type VmHardware = z.infer<typeof vmHardwareSchema>;

/** What is wanted of a VM. `hostId`: the one host that may run it; without it, it runs nowhere. */
export const vmRecordSchema = z.object({
  id: vmIdSchema,
  name: vmNameSchema,
  description: z.string(),
  lifecycle: z.enum(['creating', 'present', 'deleting']),
  power: vmPowerSchema,
  generation: z.number().int(),
  hostId: hostIdSchema.nullable(),
  hardware: vmHardwareSchema,
  imageId: imageIdSchema.nullable(),
  imageName: z.string().nullable(),
  note: z.string(),
  isEngine: z.boolean(),
  haEnabled: z.boolean(),
  haPriority: haPrioritySchema,
  createdAt: z.date(),
});
export type VmRecord = z.infer<typeof vmRecordSchema>;

/** Guests see 20 characters of a disk's serial number at most. */
export const diskSerial = (id: string): string => id.replaceAll('-', '').slice(0, 20);

/** A locally administered address made of the VM's id: the same VM, the same address, without a table of them. */
export function macOf(vmId: string, index: number): string {
  const hex = vmId.replaceAll('-', '');
  const last = (Number.parseInt(hex.slice(30, 32), 16) + index) % 256;
  const bytes = ['52', '54', '00', hex.slice(20, 22), hex.slice(24, 26), last.toString(16).padStart(2, '0')];
  return bytes.join(':');
}

/** What a host is given to run it. */
export function nodeSpecOf(record: VmRecord): VmSpec {
  const { hardware } = record;
  const seedVolume = hardware.disks[0]?.volume;
  return {
    id: record.id,
    name: record.name,
    cpus: hardware.cpus,
    memoryMiB: hardware.memoryMiB,
    cpuModel: hardware.cpuModel,
    machine: 'q35',
    firmware: 'bios',
    disks: hardware.disks.map((disk, index) => ({
      serial: diskSerial(disk.id),
      volume: disk.volume,
      path: disk.path,
      format: disk.format,
      readOnly: false,
      bus: 'virtio',
      ...(index === 0 ? { bootOrder: 1 } : {}),
    })),
    nics: hardware.nics.map(({ network, mac }) => ({ mac, network, model: 'virtio' })),
    ...(hardware.cloudInit === undefined || seedVolume === undefined
      ? {}
      : { cloudInit: hardware.cloudInit, seedVolume }),
    vga: 'std',
    role: 'user',
  };
}

/** NoCloud's data: what the admin gave, and a host name that is one. */
export function cloudInitOf(
  vm: { id: string; name: string },
  given: { hostName?: string | undefined; userData?: string | undefined; networkConfig?: string | undefined },
): VmHardware['cloudInit'] {
  const hostName =
    given.hostName ??
    (vm.name
      .toLowerCase()
      .replaceAll(/[^a-z0-9-]+/g, '-')
      .replaceAll(/^-+|-+$/g, '') ||
      'vm');
  return {
    metaData: `instance-id: ${vm.id}\nlocal-hostname: ${hostName}\n`,
    userData: given.userData ?? '#cloud-config\n',
    ...(given.networkConfig === undefined ? {} : { networkConfig: given.networkConfig }),
  };
}
