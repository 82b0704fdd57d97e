import { lstat, readdir, readFile, rmdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { Run } from '../command/run.ts';
import type { Log } from '../log/log.ts';

/**
 * Brick folders that a `volume create` has left behind. Gluster marks a brick with its volume's id while it still asks
 * the other hosts; when one of them says no, or the power goes, the mark stays, and every later try is refused with
 * "already part of a volume". Such a folder is known by what it has not: it was never started (no `trusted.gfid`), it
 * holds nothing, and no volume of this host's glusterd has it. Only the mark is removed, never a file.
 */
export type BrickFolder = {
  /** names of its extended attributes */
  attributes: readonly string[];
  /** names in it, and in its `.glusterfs` */
  entries: readonly string[];
  hiddenEntries: readonly string[];
  /** a volume of this host's glusterd names it */
  inVolume: boolean;
  ageMs: number;
};

/** A create that is under way right now looks the same; it takes a second or two. */
const youngMs = 10_000;
const mark = 'trusted.glusterfs.volume-id';

export function isAbandoned(folder: BrickFolder): boolean {
  return (
    folder.attributes.includes(mark) &&
    !folder.attributes.includes('trusted.gfid') &&
    !folder.inVolume &&
    folder.entries.every((name) => name === '.glusterfs') &&
    folder.hiddenEntries.length === 0 &&
    folder.ageMs >= youngMs
  );
}

/** getfattr writes a line "# file: ..." and then one name a line. */
export const parseAttributes = (output: string): string[] =>
  output
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '' && !line.startsWith('#'));

/** The `path=` lines of glusterd's files of bricks. */
export const parseBrickFile = (text: string): string[] =>
  text
    .split('\n')
    .filter((line) => line.startsWith('path='))
    .map((line) => line.slice('path='.length).trim());

const glusterdVolumes = '/var/lib/glusterd/vols';

/** All brick paths of all volumes that this host's glusterd knows; throws when it cannot be told. */
async function bricksInVolumes(): Promise<Set<string>> {
  const paths = new Set<string>();
  for (const volume of await namesIn(glusterdVolumes)) {
    const folder = join(glusterdVolumes, volume, 'bricks');
    for (const file of await namesIn(folder))
      for (const path of parseBrickFile(await readFile(join(folder, file), 'utf8'))) paths.add(path);
  }
  return paths;
}

async function namesIn(folder: string): Promise<string[]> {
  try {
    return await readdir(folder);
  } catch (error) {
    const none =
      error instanceof Error && 'code' in error && ['ENOENT', 'ENOTDIR'].includes(String(error.code));
    if (none) return [];
    throw error;
  }
}

/**
 * Removes the mark from abandoned brick folders below a brick place. Where there are none it reads some folders and runs
 * no tool, so it may be called often.
 */
export async function releaseAbandoned(
  env: { run: Run; log: Log },
  placePath: string,
  knownBricks: () => Promise<Set<string>> = bricksInVolumes,
): Promise<string[]> {
  const released: string[] = [];
  for (const name of await namesIn(placePath)) {
    const path = join(placePath, name);
    const { ctimeMs, isDirectory } = await lstatOf(path);
    if (!isDirectory) continue;
    const entries = await namesIn(path);
    const hiddenEntries = await namesIn(join(path, '.glusterfs'));
    if (entries.some((entry) => entry !== '.glusterfs') || hiddenEntries.length > 0) continue;
    // every name of the namespace: "-m ." also lists trusted ones
    const { stdout } = await env.run(['getfattr', '--absolute-names', '-m', '.', path], {
      timeoutMs: 10_000,
    });
    const folder: BrickFolder = {
      attributes: parseAttributes(stdout),
      entries,
      hiddenEntries,
      inVolume: (await knownBricks()).has(path),
      // wall-clock against the file system's: a clock that jumped back only makes it wait
      ageMs: Date.now() - ctimeMs,
    };
    if (!isAbandoned(folder)) continue;
    if (entries.length > 0) await rmdir(join(path, '.glusterfs'));
    await env.run(['setfattr', '--remove', mark, path], { timeoutMs: 10_000 });
    env.log.warn('brick folder: marked by a volume that was never made -> released', { path });
    released.push(path);
  }
  return released;
}

async function lstatOf(path: string): Promise<{ ctimeMs: number; isDirectory: boolean }> {
  const found = await lstat(path);
  return { ctimeMs: found.ctimeMs, isDirectory: found.isDirectory() };
}
