import { randomBytes } from 'node:crypto';
import { chmod, mkdir, open, readFile, rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';

/**
 * Replaces a file so that a crash at any line leaves the old content or the new one, never half and never none:
 * write beside it, fsync, rename, fsync the directory. A leftover `.<name>.<random>.new` is harmless.
 */
export async function writeFileAtomic(
  path: string,
  content: string | Uint8Array,
  options: { mode?: number; directoryMode?: number; owner?: { uid: number; gid: number } } = {},
): Promise<void> {
  const directory = dirname(path);
  await makeDirectory(directory, options.directoryMode ?? 0o700);
  const beside = `${directory}/.${path.slice(directory.length + 1)}.${randomBytes(6).toString('hex')}.new`;
  try {
    const file = await open(beside, 'wx', options.mode ?? 0o600);
    try {
      await file.writeFile(content);
      if (options.owner !== undefined) await file.chown(options.owner.uid, options.owner.gid);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(beside, path);
  } catch (error) {
    await rm(beside, { force: true });
    throw error;
  }
  await syncDirectory(directory);
}

/** A folder of exactly this mode: the agent's umask (0077) would take the passing-through of other users away. */
export async function makeDirectory(path: string, mode: number): Promise<void> {
  const made = await mkdir(path, { recursive: true, mode });
  if (made !== undefined) await chmod(path, mode);
}

/** Removes a file and makes the removal survive a power cut. */
export async function removeFileDurably(path: string): Promise<void> {
  await rm(path, { force: true });
  await syncDirectory(dirname(path));
}

async function syncDirectory(directory: string): Promise<void> {
  const handle = await open(directory, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** The file's text, or undefined when there is none. */
export async function readIfThere(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
    throw error;
  }
}
