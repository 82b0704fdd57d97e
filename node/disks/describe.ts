import type { HostDisk } from '../contract/disks.ts';
import { type BlockDevice, type Signature, withDescendants } from './observation.ts';

/** One disk with all that was seen of it. */
export type DiskObservation = {
  device: BlockDevice;
  /** allowed loop devices bring theirs */
  serial: string | undefined;
  signatures: readonly Signature[];
  /** device files in use as swap */
  swaps: readonly string[];
  /** the kernel would not give it to us alone: something holds it, maybe in another mount namespace */
  held: boolean;
  /** something other than zeros was read from it, in places where no signature is known */
  hasOtherData: boolean;
  /** it could not be read: a failing disk must not hide the others */
  broken: string | undefined;
  bricks: KnownBricks;
};

/** What our records say of disks: file systems made right on a disk, and disks given to LVM. */
export type KnownBricks = { uuids: readonly string[]; lvmSerials: readonly string[] };

/** File systems of ours carry it, so that a disk is told from a stranger's even without our records. */
export const brickLabel = 'trefoil';

const systemMounts = new Set(['/', '/usr', '/var', '/boot', '/boot/efi', '/efi', '/etc', '/run/live/medium']);
const words: Readonly<Record<string, string>> = {
  gpt: 'GPT partition table',
  dos: 'MBR partition table',
  LVM2_member: 'LVM member',
  linux_raid_member: 'member of a software RAID',
  crypto_LUKS: 'encrypted volume (LUKS)',
  swap: 'swap space',
  zfs_member: 'ZFS member',
  iso9660: 'ISO 9660 image',
};

function contentsOf(signatures: readonly Signature[], hasOtherData: boolean): string {
  const seen = new Set<string>();
  const parts = signatures
    .filter(({ type }) => type !== 'PMBR')
    .map(({ type, label }) => {
      const name = words[type] ?? `${type} file system`;
      return label === undefined ? name : `${name}, label ${label}`;
    })
    .filter((part) => !seen.has(part) && seen.add(part));
  if (parts.length > 0) return parts.join('; ');
  return hasOtherData ? 'data of an unknown kind' : 'empty';
}

/** A name for a disk that tells none itself. It changes when disks are re-plugged, so it never allows erasing. */
export const makeshiftSerial = (kname: string): string => `device:${kname}`;
export const isMakeshift = (serial: string): boolean => serial.startsWith('device:');

export const serialOf = ({ device, serial }: Pick<DiskObservation, 'device' | 'serial'>): string =>
  serial ?? device.serial ?? device.wwn ?? makeshiftSerial(device.kname);

/** Who has the disk. Whatever is not certainly free is not free. */
export function describeDisk(seen: DiskObservation): HostDisk {
  const { device, signatures } = seen;
  const all = withDescendants(device);
  const mountPoints = all.flatMap((one) => one.mountPoints);
  const contents = contentsOf(signatures, seen.hasOtherData);
  const disk = (use: HostDisk['use'], what: string): HostDisk => ({
    path: device.path,
    model: device.model ?? '',
    serial: serialOf(seen),
    sizeMiB: Math.floor(device.sizeBytes / 1024 / 1024),
    rotational: device.rotational,
    use,
    contents: what,
  });

  if (mountPoints.some((point) => systemMounts.has(point) || point === '[SWAP]'))
    return disk('system', 'the operating system');
  if (all.some((one) => seen.swaps.includes(one.path))) return disk('system', 'swap of this host');
  if (seen.broken !== undefined) return disk('in-use', `cannot be read: ${seen.broken}`);
  const ours =
    signatures.some(({ uuid }) => uuid !== undefined && seen.bricks.uuids.includes(uuid)) ||
    (seen.bricks.lvmSerials.includes(serialOf(seen)) &&
      signatures.some(({ type }) => type === 'LVM2_member'));
  if (ours) return disk('brick', 'brick of this cluster');
  const mounted = mountPoints[0];
  if (mounted !== undefined) return disk('in-use', `${contents}, mounted at ${mounted}`);
  if (seen.held) return disk('in-use', `${contents}, held by the system or another program`);
  if (device.readOnly) return disk('in-use', `${contents}, read-only`);
  if (device.children.length > 0) {
    const count = `${device.children.length} partition${device.children.length > 1 ? 's' : ''} or volumes`;
    return disk('holds-data', `${contents}, ${count}`);
  }
  if (signatures.length > 0 || seen.hasOtherData) return disk('holds-data', contents);
  return disk('free', 'empty');
}

/** Devices that are disks to us. `nodeExists`: only what has its file in /dev is this host's. */
export function isDisk(
  device: BlockDevice,
  nodeExists: (path: string) => boolean,
  allowedLoops: ReadonlyMap<string, string>,
): boolean {
  if (device.sizeBytes === 0 || !nodeExists(device.path)) return false;
  if (device.type === 'loop') return allowedLoops.has(device.kname);
  return device.type === 'disk' && !/^(zram|ram|fd|nbd)\d/.test(device.kname);
}
