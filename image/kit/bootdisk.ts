import { readdir, readFile, rm, stat, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { tool } from '../tool.ts';
import { alignBytes, layOut, masterBootRecord, type Partition, partitionType, sectorBytes } from './mbr.ts';

/**
 * Makes a disk that SeaBIOS boots, as an ordinary user, without mounts or loop devices:
 *   MBR -> partition 1: FAT16 with syslinux, kernel, initrd -> what the caller puts into the others.
 */
export type BootDisk = {
  path: string;
  kernel: string;
  initrd: Uint8Array;
  commandLine: string;
  /** name in the FAT volume and number in the partition table; both fixed so that equal input gives equal bytes */
  label: string;
  signature: number;
  /** the partitions behind the boot partition */
  others: readonly { bytes: number; type: number }[];
};

const bootCodePath = '/usr/lib/syslinux/mbr/mbr.bin';

const syslinuxConfig = (commandLine: string): string =>
  [
    'DEFAULT trefoil',
    'PROMPT 0',
    'TIMEOUT 0',
    'LABEL trefoil',
    '  LINUX /vmlinuz',
    '  INITRD /initrd.img',
    `  APPEND ${commandLine}`,
    '',
  ].join('\n');

/** Writes the disk and gives where its other partitions are, still empty. */
export async function makeBootDisk(spec: BootDisk): Promise<Partition[]> {
  const kernelBytes = (await readFile(spec.kernel)).length;
  const bootBytes = Math.max(17 * alignBytes, kernelBytes + spec.initrd.length + 3 * alignBytes);
  const { partitions, diskBytes } = layOut([
    { bytes: bootBytes, type: partitionType.fat16, active: true },
    ...spec.others,
  ]);
  const [boot, ...rest] = partitions;
  if (boot === undefined) throw new Error('a boot disk has a boot partition');
  await writeFile(spec.path, masterBootRecord(await readFile(bootCodePath), spec.signature, partitions));
  await truncate(spec.path, diskBytes);
  const volume = `${spec.path}.fat`;
  await makeBootVolume(volume, boot, spec);
  await copyInto(spec.path, volume, boot);
  await rm(volume);
  return rest;
}

async function makeBootVolume(volume: string, place: Partition, spec: BootDisk): Promise<void> {
  await writeFile(volume, '');
  await truncate(volume, place.bytes);
  const hidden = String(place.startBytes / sectorBytes);
  const id = spec.signature.toString(16).padStart(8, '0');
  await tool(['mkfs.vfat', '--invariant', '-F', '16', '-n', spec.label, '-i', id, '-h', hidden, volume]);
  const put = async (name: string, content: Uint8Array | string) => {
    const path = `${volume}.${name}`;
    await writeFile(path, content);
    await tool(['mcopy', '-i', volume, path, `::${name}`]);
    await rm(path);
  };
  await tool(['syslinux', '--install', volume]);
  await put('syslinux.cfg', syslinuxConfig(spec.commandLine));
  await tool(['mcopy', '-i', volume, spec.kernel, '::vmlinuz']);
  await put('initrd.img', spec.initrd);
}

/** Copies a file system's image to its place in the disk; holes stay holes. */
export async function copyInto(disk: string, volume: string, place: Partition): Promise<void> {
  if ((await stat(volume)).size > place.bytes) throw new Error(`${volume} does not fit its partition`);
  const seek = String(place.startBytes / alignBytes);
  await tool([
    'dd',
    `if=${volume}`,
    `of=${disk}`,
    `bs=${alignBytes}`,
    `seek=${seek}`,
    'conv=notrunc,sparse',
    'status=none',
  ]);
}

/** Tests and READMEs change nothing that is built. */
export const isIngredient = (path: string): boolean => !/(\.test\.ts|README\.md)$/.test(path);

/** The one kernel of an unpacked Debian tree. */
export async function kernelOf(tree: string): Promise<string> {
  const name = (await readdir(join(tree, 'boot'))).find((it) => it.startsWith('vmlinuz-'));
  if (name === undefined) throw new Error('the tree has no kernel');
  return join(tree, 'boot', name);
}
