import { randomBytes } from 'node:crypto';
import { mkdir, open, readFile, rename, rm } from 'node:fs/promises';
import { basename, dirname } from 'node:path';
import { AppError } from '../../node/contract/error.ts';

/** Replaces a file so that a crash leaves the old content or the new: write beside it, fsync, rename, fsync the folder. */
export async function writeDurably(path: string, text: string): Promise<void> {
  const folder = dirname(path);
  const beside = `${folder}/.${basename(path)}.${randomBytes(6).toString('hex')}.new`;
  try {
    await mkdir(folder, { recursive: true, mode: 0o700 });
    const file = await open(beside, 'wx', 0o600);
    try {
      await file.writeFile(text);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(beside, path);
  } catch (cause) {
    await rm(beside, { force: true });
    throw isFull(cause) ? full(cause) : cause;
  }
  await syncFolder(folder);
}

const isFull = (cause: unknown): boolean =>
  cause instanceof Error && 'code' in cause && (cause.code === 'ENOSPC' || cause.code === 'EDQUOT');

const full = (cause: unknown): AppError =>
  new AppError({
    code: 'host.disk-full',
    family: 'conflict',
    message: 'The system disk of this host is full.',
    remedy: 'Make room on it, then run the installer again.',
    cause,
  });

export async function removeDurably(path: string): Promise<void> {
  await rm(path, { force: true, recursive: true });
  await syncFolder(dirname(path));
}

async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

export async function readIfThere(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
    throw error;
  }
}
