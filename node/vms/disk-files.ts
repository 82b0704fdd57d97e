import { randomBytes } from 'node:crypto';
import { constants } from 'node:fs';
import { chmod, open, readdir, rename, rm, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import type { Clock } from '../clock/clock.ts';
import type { Run } from '../command/run.ts';
import { AppError } from '../contract/error.ts';
import type { Task } from '../contract/tasks.ts';
import type { DiskFilePut, DiskFormat } from '../contract/vms.ts';
import { makeDirectory } from '../files/atomic.ts';
import type { TaskHandle, Tasks } from '../tasks/registry.ts';
import { copyDisk, createDisk, diskInfo, growDisk } from './qemu-img.ts';
import { requireMounted, resolveOnVolume, type VolumeEnv } from './volume-path.ts';

export type DiskFilesEnv = VolumeEnv & {
  run: Run;
  clock: Clock;
  tasks: Tasks;
  /** the engine VM's image, compressed by zstd, that this host's system carries */
  engineImage: string;
  /** who uses the file on this host now, in words; undefined when nobody does */
  usedBy(path: string): string | undefined;
};

export type DiskFiles = {
  put(wanted: DiskFilePut): Promise<Task>;
  remove(file: { volume: string; path: string }): Promise<void>;
};

const mebibyte = 1_048_576;
const partialAgeMs = 12 * 3_600_000;

/**
 * Disks of VMs as files on volumes. A file appears whole under its name or not at all: it is made beside it as
 * `.NAME.RANDOM.partial`, flushed, and renamed. What a crash leaves is such a partial file, removed by the next put of
 * the same disk once it is half a day old (another host might still be writing a younger one).
 */
export function makeDiskFiles(env: DiskFilesEnv): DiskFiles {
  const underWay = new Map<string, Task>();

  const put = async (wanted: DiskFilePut): Promise<Task> => {
    await requireMounted(env, wanted.volume);
    const target = resolveOnVolume(env.volumesDirectory, wanted.volume, wanted.path);
    const running = underWay.get(target);
    if (running !== undefined && env.tasks.get(running.id).state === 'running')
      return env.tasks.get(running.id);
    const title = `making the disk ${basename(target)}`;
    if (await exists(target)) {
      await mustFit(env, target, wanted);
      return env.tasks.done('disk-create', title);
    }
    await makeDirectory(dirname(target), 0o711);
    await removeStalePartials(target);
    const task = env.tasks.start('disk-create', title, async (handle) => {
      const partial = join(dirname(target), `.${basename(target)}.${randomBytes(4).toString('hex')}.partial`);
      try {
        await fill(env, wanted, partial, handle);
        await chmod(partial, 0o600);
        await flush(partial);
        handle.signal.throwIfAborted();
        await rename(partial, target);
        await flush(dirname(target));
        return undefined;
      } finally {
        await rm(partial, { force: true });
        underWay.delete(target);
      }
    });
    underWay.set(target, task);
    return task;
  };

  return {
    put,
    remove: async ({ volume, path }) => {
      await requireMounted(env, volume);
      const target = resolveOnVolume(env.volumesDirectory, volume, path);
      const user = env.usedBy(target);
      if (user !== undefined)
        throw new AppError({
          code: 'disk.in-use',
          family: 'conflict',
          message: `The disk is in use by ${user}.`,
          remedy: 'Stop the VM first.',
        });
      await rm(target, { force: true });
      await flush(dirname(target)).catch((error: unknown) => {
        if (!isMissing(error)) throw error;
      });
    },
  };
}

async function fill(
  env: DiskFilesEnv,
  wanted: DiskFilePut,
  partial: string,
  handle: TaskHandle,
): Promise<void> {
  const { from, format, sizeMiB } = wanted;
  if (from === undefined) return createDisk(env, partial, format, sizeMiB);
  if (from.kind === 'engine-image') {
    if (format !== 'raw') throw wrongFormat('raw');
    await env.run(
      ['zstd', '--decompress', '--quiet', '--sparse', '--force', env.engineImage, '-o', partial],
      {
        timeoutMs: 30 * 60_000,
        signal: handle.signal,
      },
    );
  } else {
    await requireMounted(env, from.volume);
    const source = resolveOnVolume(env.volumesDirectory, from.volume, from.path);
    const { usedBytes, virtualBytes, refersTo } = await diskInfo(env, source, from.format);
    if (refersTo.length > 0) throw refersElsewhere();
    if (virtualBytes > sizeMiB * mebibyte) throw tooSmall(virtualBytes, sizeMiB);
    const watching = watchGrowth(env, partial, usedBytes, handle);
    try {
      await copyDisk(env, { path: source, format: from.format }, { path: partial, format }, handle.signal);
    } finally {
      await watching.stop();
    }
  }
  const made = await diskInfo(env, partial, format);
  if (made.virtualBytes > sizeMiB * mebibyte) throw tooSmall(made.virtualBytes, sizeMiB);
  if (made.virtualBytes < sizeMiB * mebibyte) await growDisk(env, partial, format, sizeMiB);
}

/** Progress of a copy, by what the new file holds against what the old one does: the same for all tools. */
function watchGrowth(env: DiskFilesEnv, partial: string, wholeBytes: number, handle: TaskHandle) {
  const ended = new AbortController();
  const loop = async () => {
    while (!ended.signal.aborted) {
      const now = await stat(partial).catch(() => undefined);
      if (now !== undefined && wholeBytes > 0)
        handle.progress(Math.min(0.99, (now.blocks * 512) / wholeBytes));
      await env.clock.sleep(500, ended.signal).catch(() => {});
    }
  };
  const over = loop();
  return {
    stop: async () => {
      ended.abort();
      await over;
    },
  };
}

async function mustFit(env: DiskFilesEnv, target: string, wanted: DiskFilePut): Promise<void> {
  const info = await diskInfo(env, target, wanted.format);
  if (info.virtualBytes < wanted.sizeMiB * mebibyte)
    throw new AppError({
      code: 'disk.exists',
      family: 'conflict',
      message: `There is already a disk of that name, and it is smaller than ${wanted.sizeMiB} MiB.`,
    });
}

async function removeStalePartials(target: string): Promise<void> {
  const folder = dirname(target);
  const prefix = `.${basename(target)}.`;
  for (const name of await readdir(folder)) {
    if (!name.startsWith(prefix) || !name.endsWith('.partial')) continue;
    const age = await stat(join(folder, name)).catch(() => undefined);
    if (age !== undefined && Date.now() - age.mtimeMs > partialAgeMs)
      await rm(join(folder, name), { force: true });
  }
}

export async function flush(path: string): Promise<void> {
  const handle = await open(path, constants.O_RDONLY);
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

const isMissing = (error: unknown): boolean =>
  error instanceof Error && 'code' in error && error.code === 'ENOENT';

export async function exists(path: string): Promise<boolean> {
  try {
    await stat(path);
    return true;
  } catch (error) {
    if (isMissing(error)) return false;
    throw error;
  }
}

const tooSmall = (virtualBytes: number, sizeMiB: number): AppError =>
  new AppError({
    code: 'disk.too-small',
    family: 'invalid',
    message: `The image needs a disk of at least ${Math.ceil(virtualBytes / mebibyte)} MiB; ${sizeMiB} MiB were asked for.`,
  });

const wrongFormat = (needed: DiskFormat): AppError =>
  new AppError({
    code: 'disk.wrong-format',
    family: 'invalid',
    message: `This disk must be of the format ${needed}.`,
  });

export const refersElsewhere = (): AppError =>
  new AppError({
    code: 'image.refers-elsewhere',
    family: 'invalid',
    message: 'The image leads to another file (a backing or data file), so it is not complete by itself.',
    remedy: 'Convert it to a single file first: qemu-img convert -O qcow2.',
  });
