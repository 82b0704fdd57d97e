import { z } from 'zod';
import type { BrickPut, HostDisk } from '../contract/disks.ts';
import { AppError } from '../contract/error.ts';
import { brickLabel, isMakeshift } from './describe.ts';

/** What this host has to know of a brick after a restart; one file each, written before the disk is touched. */
export const brickRecordSchema = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('directory'), name: z.string() }),
  z.object({
    kind: z.enum(['disk', 'lvm-thin']),
    name: z.string(),
    serial: z.string(),
    /** of the file system; chosen before it is made, so that it is recognised whenever the power went */
    uuid: z.uuid(),
    /** `making`: nothing of value is on it yet, it may be made again; `made`: never again */
    stage: z.enum(['making', 'made']),
  }),
]);
export type BrickRecord = z.infer<typeof brickRecordSchema>;
export type DiskRecord = Exclude<BrickRecord, { kind: 'directory' }>;

export const bricksFolder = '/var/lib/trefoil/bricks';
export const brickPath = (name: string): string => `${bricksFolder}/${name}`;
export const volumeGroupOf = (name: string): string => `trefoil-${name}`;
/** Dashes in LVM names are doubled by device-mapper. */
export const thinDeviceOf = (name: string): string =>
  `/dev/mapper/${volumeGroupOf(name).replaceAll('-', '--')}-brick`;

export type BrickStep =
  | { do: 'make-directory' }
  | { do: 'record'; record: BrickRecord }
  | { do: 'erase'; device: string }
  | { do: 'run'; argv: [string, ...string[]]; why: string; mayFail?: boolean }
  | { do: 'mount'; record: DiskRecord };

export type BrickWorld = {
  disks: readonly HostDisk[];
  record: BrickRecord | undefined;
  deviceMapper: boolean;
  newUuid: string;
};

const refuse = (code: string, message: string, remedy: string): AppError =>
  new AppError({ code, family: 'conflict', message, remedy });

/** The one disk with this serial; more than one is no identity. */
function diskOf(disks: readonly HostDisk[], serial: string): HostDisk {
  const found = disks.filter((disk) => disk.serial === serial);
  const [disk] = found;
  if (disk === undefined)
    throw new AppError({
      code: 'disk.not-found',
      family: 'missing',
      message: `This host has no disk with the serial number ${serial}.`,
      remedy: 'Choose one of the disks that the host lists.',
    });
  if (found.length > 1)
    throw refuse(
      'disk.ambiguous',
      `${found.length} disks of this host have the serial number ${serial}.`,
      'Disconnect the one that is not meant.',
    );
  return disk;
}

/** Whether the disk may be taken, now, for a brick that was never made. Naming it for erasing opens one door only. */
function mayTake(disk: HostDisk, eraseData: boolean): void {
  const named = `The disk ${disk.serial} (${disk.path})`;
  switch (disk.use) {
    case 'free':
      return;
    case 'system':
      throw refuse('disk.system', `${named} holds the host's operating system.`, 'Choose another disk.');
    case 'in-use':
      throw refuse(
        'disk.in-use',
        `${named} is in use: ${disk.contents}.`,
        'Choose another disk, or end its use first.',
      );
    case 'brick':
      throw refuse(
        'disk.brick',
        `${named} is a brick place of this cluster already.`,
        'Choose another disk.',
      );
    case 'holds-data':
      if (!eraseData)
        throw refuse(
          'disk.holds-data',
          `${named} holds data: ${disk.contents}.`,
          'Choose an empty disk, or say for this serial number that its data may be erased.',
        );
      if (isMakeshift(disk.serial))
        throw refuse(
          'disk.no-identity',
          `The disk ${disk.path} tells no serial number, so it cannot be named safely for erasing.`,
          'Erase it by hand, then it counts as empty.',
        );
      return;
    default:
      assertNever(disk.use);
  }
}

function assertNever(value: never): never {
  throw new Error(`a use of a disk that is not handled: ${String(value)}`);
}

/** LVM counts in extents of 4 MiB; a bit is left for its own data. */
const thinSizeMiB = (diskMiB: number): number => Math.floor((diskMiB * 0.94) / 4) * 4;

const thinSteps = (name: string, disk: HostDisk): BrickStep[] => {
  const group = volumeGroupOf(name);
  const step = (why: string, argv: [string, ...string[]]): BrickStep => ({ do: 'run', argv, why });
  return [
    step('give the disk to LVM', [
      'pvcreate',
      '--force',
      '--force',
      '--yes',
      '--dataalignment',
      '1m',
      disk.path,
    ]),
    step('make the volume group', ['vgcreate', '--yes', group, disk.path]),
    step('make the thin pool', [
      ...(['lvcreate', '--yes', '--type', 'thin-pool', '--chunksize', '256k', '--zero', 'n'] as const),
      ...['--extents', '95%FREE', '--name', 'pool', group],
    ]),
    step('make the thin volume', [
      ...(['lvcreate', '--yes', '--type', 'thin', '--virtualsize', `${thinSizeMiB(disk.sizeMiB)}m`] as const),
      ...['--thinpool', 'pool', '--name', 'brick', group],
    ]),
  ];
};

/** What an earlier, cut off try may have left of LVM holds the disk. */
const forgetGroup = (name: string): BrickStep => ({
  do: 'run',
  argv: ['vgremove', '--force', '--force', '--yes', volumeGroupOf(name)],
  why: 'remove what an earlier try left',
  mayFail: true,
});

/** `-i size=512 -n size=8192`: room for Gluster's attributes in the inode, quick directories (oVirt's layout). */
const makeFileSystem = (device: string, uuid: string): BrickStep => ({
  do: 'run',
  argv: [
    'mkfs.xfs',
    '-f',
    '-q',
    '-i',
    'size=512',
    '-n',
    'size=8192',
    '-m',
    `uuid=${uuid}`,
    '-L',
    brickLabel,
    device,
  ],
  why: 'make the file system',
});

/**
 * What is still to be done so that the brick is there. The record is written before the disk is touched and again when
 * the file system is whole: a power cut in between leaves `making`, and all is made anew; after `made` it is only mounted.
 */
export function planBrick(name: string, wanted: BrickPut['place'], world: BrickWorld): BrickStep[] {
  const { record } = world;
  if (wanted.kind === 'directory') {
    if (record !== undefined && record.kind !== 'directory')
      throw refuse(
        'brick.other-place',
        `The brick place "${name}" is on the disk ${record.serial}.`,
        'Use another name.',
      );
    return [{ do: 'make-directory' }, { do: 'record', record: { kind: 'directory', name } }];
  }
  if (record?.kind === 'directory')
    throw refuse(
      'brick.other-place',
      `The brick place "${name}" is a directory on the system disk.`,
      'Use another name.',
    );
  if (record !== undefined && record.serial !== wanted.serial)
    throw refuse(
      'brick.other-place',
      `The brick place "${name}" is on the disk ${record.serial}.`,
      'Use another name.',
    );

  const disk = diskOf(world.disks, wanted.serial);
  if (record?.stage === 'made') {
    if (disk.use !== 'brick')
      throw refuse(
        'brick.lost',
        `The disk ${wanted.serial} no longer has the file system of the brick place "${name}": ${disk.contents}.`,
        'If the disk was replaced, remove the brick from its volumes and prepare it anew.',
      );
    return [{ do: 'mount', record }];
  }
  // `making`: the disk was allowed then; what is on it now is our own half-made work, unless someone else has it
  if (record === undefined) mayTake(disk, wanted.eraseData);
  else if (disk.use === 'system' || disk.use === 'in-use') mayTake(disk, wanted.eraseData);

  const kind = world.deviceMapper ? ('lvm-thin' as const) : ('disk' as const);
  const uuid = record?.uuid ?? world.newUuid;
  const making = { kind, name, serial: wanted.serial, uuid, stage: 'making' as const };
  const made = { ...making, stage: 'made' as const };
  return [
    { do: 'record', record: making },
    ...(kind === 'lvm-thin' ? [forgetGroup(name)] : []),
    { do: 'erase', device: disk.path },
    ...(kind === 'lvm-thin' ? thinSteps(name, disk) : []),
    makeFileSystem(kind === 'lvm-thin' ? thinDeviceOf(name) : disk.path, uuid),
    { do: 'record', record: made },
    { do: 'mount', record: made },
  ];
}
