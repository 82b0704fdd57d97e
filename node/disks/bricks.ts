import { statfs } from 'node:fs/promises';
import type { BrickPut, BrickStatus, HostDisk } from '../contract/disks.ts';
import { AppError } from '../contract/error.ts';
import type { Log } from '../log/log.ts';
import {
  ensureMountUnit,
  type MountEnv,
  type MountSpec,
  removeMount,
  startMount,
} from '../systemd/mount-unit.ts';
import { releaseAbandoned } from './abandoned.ts';
import {
  type BrickRecord,
  type BrickStep,
  brickPath,
  type DiskRecord,
  planBrick,
  thinDeviceOf,
} from './brick-decide.ts';
import type { KnownBricks } from './describe.ts';
import { type DisksEnv, type ProbeCache, readInventory } from './inventory.ts';
import { parseMountinfo } from './observation.ts';

export type BricksEnv = DisksEnv & {
  mounts: MountEnv;
  records: BrickRecords;
  hasDeviceMapper(): Promise<boolean>;
  makeFolder(path: string): Promise<void>;
  newUuid(): string;
  sizeOf(path: string): Promise<{ sizeMiB: number; freeMiB: number }>;
  log: Log;
};
export type BrickRecords = {
  all(): Promise<BrickRecord[]>;
  /** durable when it returns */
  put(record: BrickRecord): Promise<void>;
  remove(name: string): Promise<void>;
};

export type Bricks = {
  disks(): Promise<HostDisk[]>;
  /** idempotent; refuses, with the disk untouched, whatever it is not sure to be allowed */
  ensure(name: string, place: BrickPut['place']): Promise<BrickStatus>;
  list(): Promise<BrickStatus[]>;
  /** this host no longer counts it as its own: unmounted, what is on the disk stays; none there is success */
  forget(name: string): Promise<void>;
  /** makes brick folders usable again that a failed making of a volume has left marked; cheap, for now and then */
  sweep(): Promise<void>;
  /** at the agent's start: all that was made is mounted, also when /etc has lost the mount units */
  restore(): Promise<void>;
};

const mkfsMs = 600_000; // a disk that takes discards slowly

/** Bricks are there before glusterd asks for them, and a missing disk does not stop the boot. */
const mountSpec = (name: string, what: string): MountSpec => ({
  description: `Trefoil brick place ${name}`,
  what,
  where: brickPath(name),
  type: 'xfs',
  options: ['inode64', 'noatime'],
  before: ['glusterd.service'],
  wantedBy: 'local-fs.target',
  timeoutSeconds: 90,
});

export function knownBricks(records: readonly BrickRecord[]): KnownBricks {
  const on = (kind: BrickRecord['kind']) => records.filter((record) => record.kind === kind);
  return {
    uuids: on('disk').flatMap((record) => ('uuid' in record ? [record.uuid] : [])),
    lvmSerials: on('lvm-thin').flatMap((record) => ('serial' in record ? [record.serial] : [])),
  };
}

export function makeBricks(env: BricksEnv): Bricks {
  const cache: ProbeCache = new Map();
  /** one change at a time: two PUTs must not both find the same disk free */
  let queue: Promise<unknown> = Promise.resolve();

  const inventory = async () => (await readInventory(env, knownBricks(await env.records.all()), cache)).disks;
  const recordOf = async (name: string) => (await env.records.all()).find((record) => record.name === name);

  /** the device that is mounted there, undefined when none is */
  async function mountedAt(path: string): Promise<string | undefined> {
    const mounts = parseMountinfo((await env.devices.readText('/proc/self/mountinfo')) ?? '');
    return mounts.findLast((mount) => mount.mountPoint === path)?.source;
  }

  /**
   * What the mount unit names. systemd finds a file system by UUID only with udev's links; where there is no udev (a
   * container) it is the device that carries the UUID now, which the next start may find to be another one.
   */
  async function sourceOf(record: DiskRecord): Promise<string> {
    if (record.kind === 'lvm-thin') return thinDeviceOf(record.name);
    if (await env.devices.exists('/run/udev/control')) return `UUID=${record.uuid}`;
    const { observations } = await readInventory(env, knownBricks([record]), cache);
    const found = observations.find((seen) => seen.signatures.some(({ uuid }) => uuid === record.uuid));
    if (found !== undefined) return found.device.path;
    throw new AppError({
      code: 'brick.lost',
      family: 'unavailable',
      message: `The disk ${record.serial} of the brick place "${record.name}" is not there.`,
      remedy: 'Check the disk and its cabling.',
    });
  }

  async function mount(record: DiskRecord): Promise<void> {
    const path = brickPath(record.name);
    const source = await sourceOf(record);
    const { changed } = await ensureMountUnit(env.mounts, mountSpec(record.name, source));
    if ((await mountedAt(path)) === undefined) await startMount(env.mounts, path, 120_000);
    const mounted = await mountedAt(path);
    const isRight = mounted !== undefined && (!source.startsWith('/dev/') || mounted === source);
    if (isRight) return;
    throw new AppError({
      code: 'brick.not-mounted',
      family: 'unavailable',
      message:
        mounted === undefined
          ? `The brick place "${record.name}" was mounted, but it is not there.`
          : `The brick place "${record.name}" has another disk mounted (${mounted}).`,
      remedy: 'See the log of its mount unit; restart the host.',
      details: { source, changed },
    });
  }

  async function carryOut(name: string, step: BrickStep): Promise<void> {
    switch (step.do) {
      case 'make-directory':
        return env.makeFolder(brickPath(name));
      case 'record':
        return env.records.put(step.record);
      case 'erase':
        env.log.warn('disk: erased for a brick', { name, device: step.device });
        // never with --force: without it wipefs itself refuses a device that something uses
        await env.run(['wipefs', '--all', step.device], { timeoutMs: 60_000 });
        return;
      case 'run':
        try {
          await env.run(step.argv, { timeoutMs: mkfsMs });
        } catch (error) {
          if (step.mayFail === true) return;
          throw new AppError({
            code: 'brick.not-made',
            family: 'unavailable',
            message: `The brick place "${name}" could not be prepared: could not ${step.why}.`,
            remedy: 'Check the disk; then try again, which begins anew.',
            cause: error,
          });
        }
        return;
      case 'mount':
        return mount(step.record);
    }
  }

  async function status(record: BrickRecord): Promise<BrickStatus> {
    const path = brickPath(record.name);
    const mounted = record.kind === 'directory' || (await mountedAt(path)) !== undefined;
    const size = mounted ? await env.sizeOf(path) : { sizeMiB: 0, freeMiB: 0 };
    const serial = 'serial' in record ? { serial: record.serial } : {};
    return { name: record.name, path, kind: record.kind, ...serial, mounted, ...size };
  }

  async function ensure(name: string, place: BrickPut['place']): Promise<BrickStatus> {
    const steps = planBrick(name, place, {
      disks: place.kind === 'disk' ? await inventory() : [],
      record: await recordOf(name),
      deviceMapper: await env.hasDeviceMapper(),
      newUuid: env.newUuid(),
    });
    for (const step of steps) await carryOut(name, step);
    const record = await recordOf(name);
    if (record === undefined) throw new Error(`the brick place ${name} was not recorded`);
    return status(record);
  }

  return {
    disks: inventory,
    ensure(name, place) {
      const turn = queue.then(() => ensure(name, place));
      queue = turn.catch(() => undefined);
      return turn;
    },
    async list() {
      return Promise.all((await env.records.all()).map(status));
    },
    async forget(name) {
      const record = await recordOf(name);
      if (record === undefined) return;
      if (record.kind !== 'directory') await removeMount(env.mounts, brickPath(name));
      await env.records.remove(name);
      env.log.warn('brick place: forgotten', { name });
    },
    async sweep() {
      for (const record of await env.records.all()) {
        const place = await status(record);
        if (place.mounted) await releaseAbandoned(env, place.path);
      }
    },
    async restore() {
      for (const record of await env.records.all()) {
        if (record.kind === 'directory' || record.stage === 'making') continue;
        try {
          await mount(record);
        } catch (error) {
          env.log.error('brick place: not mounted', error, { name: record.name });
        }
      }
    },
  };
}

const mebibyte = 1024 * 1024;
export async function sizeOf(path: string): Promise<{ sizeMiB: number; freeMiB: number }> {
  const { blocks, bavail, bsize } = await statfs(path);
  return {
    sizeMiB: Math.floor((blocks * bsize) / mebibyte),
    freeMiB: Math.floor((bavail * bsize) / mebibyte),
  };
}
