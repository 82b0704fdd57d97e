import type { Clock } from '../clock/clock.ts';
import type { Run } from '../command/run.ts';
import type { BrickStatus, HostDisk } from '../contract/disks.ts';
import type { Log } from '../log/log.ts';
import { volumeGroupOf } from './brick-decide.ts';
import type { Bricks } from './bricks.ts';

export type GiveBackEnv = {
  run: Run;
  log: Log;
  clock: Clock;
  bricks: Pick<Bricks, 'forget' | 'disks'>;
  removeFolder(path: string): Promise<void>;
};

/**
 * For a host that leaves its cluster: what a brick place was made of is as it was found, free to be taken again. The disk
 * is erased only after it is unmounted and forgotten, and only while the inventory says that nobody uses it.
 */
export async function giveBack(env: GiveBackEnv, brick: BrickStatus): Promise<void> {
  const { run, log, bricks } = env;
  await bricks.forget(brick.name);
  if (brick.kind === 'directory') return env.removeFolder(brick.path);
  if (brick.kind === 'lvm-thin')
    await run(['vgremove', '--force', '--yes', volumeGroupOf(brick.name)], { timeoutMs: 60_000 });
  const disk = await whenLetGo(env, brick);
  if (disk === undefined || disk.use !== 'holds-data') {
    log.warn('disk: left as it is', {
      name: brick.name,
      serial: brick.serial,
      use: disk?.use ?? 'not there',
    });
    return;
  }
  log.warn('disk: erased, its brick is given up', { name: brick.name, device: disk.path });
  await run(['wipefs', '--all', '--force', disk.path], { timeoutMs: 60_000 });
  // What was written stays readable without this, and keeps the disk from counting as free; a disk that cannot discard
  // has to be named by its serial when it is taken again.
  await run(['blkdiscard', '--force', disk.path], { timeoutMs: 600_000 }).catch((error) =>
    log.error('disk: not discarded', error, { device: disk.path }),
  );
}

const patienceMs = 15_000;
const pauseMs = 500;

/** Unmounting is lazy: a brick's process that is about to end may hold the disk for a moment more. */
async function whenLetGo({ clock, bricks }: GiveBackEnv, brick: BrickStatus): Promise<HostDisk | undefined> {
  const end = clock.now() + patienceMs;
  for (;;) {
    const disk = (await bricks.disks()).find(({ serial }) => serial === brick.serial);
    if (disk?.use !== 'in-use' || clock.now() >= end) return disk;
    await clock.sleep(pauseMs);
  }
}
