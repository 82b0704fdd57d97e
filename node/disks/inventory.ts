import { constants } from 'node:fs';
import { access, open, readFile } from 'node:fs/promises';
import type { Run } from '../command/run.ts';
import type { HostDisk } from '../contract/disks.ts';
import { readIfThere } from '../files/atomic.ts';
import { type DiskObservation, describeDisk, isDisk, type KnownBricks } from './describe.ts';
import {
  type BlockDevice,
  lsblkColumns,
  parseAllowedLoops,
  parseLsblk,
  parseSwaps,
  parseWipefs,
  type Signature,
} from './observation.ts';

/** The host's disks as they are now. Reads only; nothing on a disk changes. */
export type DisksEnv = { run: Run; devices: DeviceFiles };
export type DeviceFiles = {
  exists(path: string): Promise<boolean>;
  readText(path: string): Promise<string | undefined>;
  /** true when the kernel refuses to open it for us alone: mounted somewhere, swap, member of LVM or MD */
  isHeld(path: string): Promise<boolean>;
  /** whether anything but zeros is found in samples over the whole device */
  hasData(path: string, sizeBytes: number): Promise<boolean>;
};

const allowLoopFile = '/etc/trefoil/disks-allow-loop';

export type Inventory = { observations: DiskObservation[]; disks: HostDisk[] };

/** What was read from a disk stays true until something is written to it: the kernel counts the writes. */
export type ProbeCache = Map<string, { writes: string; signatures: Signature[]; hasOtherData: boolean }>;

async function probe(env: DisksEnv, device: BlockDevice, cache: ProbeCache) {
  const statistics = await env.devices.readText(`/sys/class/block/${device.kname}/stat`);
  // write I/Os and sectors written since the device is there; and discarded, which empties it without a write
  const counts = statistics?.trim().split(/\s+/) ?? [];
  const writes = `${device.sizeBytes} ${[...counts.slice(4, 7), ...counts.slice(11, 14)].join(' ')}`;
  const known = cache.get(device.path);
  if (known !== undefined && statistics !== undefined && known.writes === writes) return known;
  const { stdout } = await env.run(['wipefs', '--json', device.path], { timeoutMs: 30_000 });
  const signatures = parseWipefs(stdout);
  const hasOtherData = signatures.length === 0 && (await env.devices.hasData(device.path, device.sizeBytes));
  const found = { writes, signatures, hasOtherData };
  cache.set(device.path, found);
  return found;
}

export async function readInventory(
  env: DisksEnv,
  bricks: KnownBricks,
  cache: ProbeCache = new Map(),
): Promise<Inventory> {
  const listing = await env.run(['lsblk', '--json', '--bytes', '--output', lsblkColumns], {
    timeoutMs: 30_000,
  });
  const swaps = parseSwaps((await env.devices.readText('/proc/swaps')) ?? '');
  const loops = parseAllowedLoops((await env.devices.readText(allowLoopFile)) ?? '');
  const observations: DiskObservation[] = [];
  for (const device of parseLsblk(listing.stdout)) {
    const exists = await env.devices.exists(device.path);
    if (!isDisk(device, () => exists, loops)) continue;
    const common = { device, serial: loops.get(device.kname), swaps, bricks };
    try {
      const { signatures, hasOtherData } = await probe(env, device, cache);
      const held = await env.devices.isHeld(device.path);
      observations.push({ ...common, signatures, hasOtherData, held, broken: undefined });
    } catch (error) {
      const broken = error instanceof Error ? error.message : String(error);
      observations.push({ ...common, signatures: [], hasOtherData: true, held: true, broken });
    }
  }
  const disks = observations.map(describeDisk).sort((a, b) => (a.path < b.path ? -1 : 1));
  return { observations, disks };
}

const mebibyte = 1024 * 1024;
const sampleBytes = 65_536;
const samples = 16;

export const systemDevices: DeviceFiles = {
  exists: (path) =>
    access(path).then(
      () => true,
      () => false,
    ),
  readText: readIfThere,
  async isHeld(path) {
    try {
      const handle = await open(path, constants.O_RDONLY | constants.O_EXCL);
      await handle.close();
      return false;
    } catch (error) {
      if (error instanceof Error && 'code' in error && error.code === 'EBUSY') return true;
      throw error;
    }
  },
  async hasData(path, sizeBytes) {
    const handle = await open(path, 'r');
    try {
      const places = [
        { at: 0, length: Math.min(mebibyte, sizeBytes) },
        { at: Math.max(0, sizeBytes - mebibyte), length: Math.min(mebibyte, sizeBytes) },
        ...Array.from({ length: samples }, (_, index) => ({
          at: Math.floor(((sizeBytes / (samples + 1)) * (index + 1)) / 4096) * 4096,
          length: sampleBytes,
        })),
      ];
      for (const { at, length } of places) {
        const buffer = Buffer.alloc(length);
        const { bytesRead } = await handle.read(buffer, 0, length, at);
        if (buffer.subarray(0, bytesRead).some((byte) => byte !== 0)) return true;
      }
      return false;
    } finally {
      await handle.close();
    }
  },
};

/** Whether the kernel can do LVM here: it lists device-mapper among its devices. */
export const hasDeviceMapper = async (): Promise<boolean> =>
  (await readFile('/proc/devices', 'utf8')).includes('device-mapper');
