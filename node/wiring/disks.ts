import { randomUUID } from 'node:crypto';
import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { NodeHandlers } from '../api/handlers.ts';
import { brickPutSchema, type FsyncLatency, type HostDisk } from '../contract/disks.ts';
import { makeBricks, sizeOf } from '../disks/bricks.ts';
import { measureFsync } from '../disks/fsync.ts';
import { giveBack } from '../disks/give-back.ts';
import { hasDeviceMapper, systemDevices } from '../disks/inventory.ts';
import { fileRecords } from '../disks/records.ts';
import { accepted } from '../files/accepted.ts';
import { readIfThere, removeFileDurably, writeFileAtomic } from '../files/atomic.ts';
import type { Units } from '../systemd/units.ts';
import { type Base, every } from './base.ts';
import { untilDone } from './retry.ts';

export type Disks = {
  handlers: Pick<NodeHandlers, 'getBricks' | 'putBrick'>;
  disks(): Promise<HostDisk[]>;
  fsync(directory: string): Promise<FsyncLatency>;
  /** whether a brick's path is below a place that is a directory on the system disk */
  isDirectoryBrick(path: string): Promise<boolean>;
  /** mounts what was made before this start */
  start(): void;
  leave: readonly { what: string; undo(): Promise<void> }[];
};

const removeFolder = (path: string): Promise<void> => rm(path, { recursive: true, force: true });

/** Disks and brick places: the room `disks` behind the contract's routes. */
export function wireDisks(base: Base, env: { units: Units }): Disks {
  const { run, log, options } = base;
  const acceptedFolder = join(options.stateDirectory, 'accepted', 'bricks');
  const told = (name: string) =>
    accepted(join(acceptedFolder, `${name}.json`), brickPutSchema, `the brick place ${name}`);
  const bricks = makeBricks({
    run,
    log,
    devices: systemDevices,
    records: fileRecords(join(options.stateDirectory, 'disks')),
    hasDeviceMapper,
    // bricks are of root alone: nobody reaches a volume's files but through the volume
    makeFolder: async (path) => void (await mkdir(path, { recursive: true, mode: 0o700 })),
    newUuid: randomUUID,
    sizeOf,
    mounts: {
      units: env.units,
      files: {
        read: readIfThere,
        write: (path, content) => writeFileAtomic(path, content, { mode: 0o644, directoryMode: 0o755 }),
        remove: removeFileDurably,
        makeFolder: async (path) => void (await mkdir(path, { recursive: true, mode: 0o700 })),
      },
    },
  });

  return {
    handlers: {
      getBricks: bricks.list,
      putBrick: async ({ params: { name }, body }) => {
        const status = await bricks.ensure(name, body.place);
        // kept only when it was done: a disk that was refused must not stand in the way of another choice
        await told(name).accept(body.generation, body);
        return status;
      },
    },
    disks: bricks.disks,
    fsync: measureFsync,
    isDirectoryBrick: async (path) =>
      (await bricks.list()).some((place) => place.kind === 'directory' && path.startsWith(`${place.path}/`)),
    start: () => {
      void untilDone(base.retry, 'brick places', bricks.restore);
      every(base, 5_000, 'brick folders', bricks.sweep);
    },
    leave: [
      {
        what: 'brick places',
        undo: async () => {
          for (const brick of await bricks.list()) {
            await giveBack({ run, log, clock: base.clock, bricks, removeFolder }, brick);
            await told(brick.name).forget();
          }
        },
      },
    ],
  };
}
