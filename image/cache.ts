import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import {
  chmod,
  lstat,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  readlink,
  rename,
  rm,
  stat,
  utimes,
} from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';

/**
 * What is built is kept by the hash of what it is built from, so that a second clone, or a second run, builds nothing.
 * An entry is a folder that appears whole: it is made beside its place and moved there.
 */
export const cacheRoot = (env: NodeJS.ProcessEnv = process.env): string =>
  join(env['XDG_CACHE_HOME'] || join(homedir(), '.cache'), 'trefoil');

export type HashOptions = {
  /** says by path which files and folders count; all, unless given */
  keep?: (path: string) => boolean;
};

/** Folder entries in a stable order; each file counts with its place, mode and content. */
export async function hashOf(
  paths: readonly string[],
  extra: readonly string[] = [],
  options: HashOptions = {},
): Promise<string> {
  const hash = createHash('sha256');
  const keep = options.keep ?? (() => true);
  for (const text of extra) hash.update(`text ${text}\0`);
  const add = async (path: string, name: string): Promise<void> => {
    if (!keep(path)) return;
    const info = await lstat(path);
    if (info.isDirectory()) {
      for (const child of (await readdir(path)).sort()) await add(join(path, child), `${name}/${child}`);
      return;
    }
    const content = info.isSymbolicLink() ? await readlink(path) : await readFile(path);
    hash.update(`file ${name} ${info.mode & 0o111} ${content.length}\0`);
    hash.update(content);
  };
  for (const [index, path] of paths.entries()) await add(path, `${index}`);
  return hash.digest('hex').slice(0, 16);
}

export type CacheEntry = { path: string; hash: string; built: boolean; seconds: number };

/** Gives the entry `<kind>-<hash>`, made by `make(folder)` when it is not there. Two builds at once: the first one wins. */
export async function cached(
  kind: string,
  hash: string,
  make: (folder: string) => Promise<void>,
  root: string = cacheRoot(),
): Promise<CacheEntry> {
  const started = performance.now();
  const path = join(root, `${kind}-${hash}`);
  const done = (built: boolean) => ({ path, hash, built, seconds: (performance.now() - started) / 1000 });
  if (existsSync(path)) {
    await utimes(path, new Date(), new Date());
    return done(false);
  }
  await mkdir(root, { recursive: true });
  const part = await mkdtemp(join(root, `.part-${kind}-`));
  try {
    await chmod(part, 0o755);
    await make(part);
    await rename(part, path).catch((error: unknown) => {
      if (!existsSync(path)) throw error;
    });
  } finally {
    await rm(part, { recursive: true, force: true });
  }
  await pruneParts(root);
  await prune(kind, root, path);
  return done(true);
}

/** What a build that was killed left behind, a day ago at least. */
async function pruneParts(root: string): Promise<void> {
  for (const name of await readdir(root)) {
    if (!name.startsWith('.part-')) continue;
    const info = await stat(join(root, name)).catch(() => undefined);
    if (info !== undefined && Date.now() - info.mtimeMs > 86_400_000)
      await rm(join(root, name), { recursive: true, force: true });
  }
}

/** Keeps the three entries of a kind that were used last, and those that are mounted. */
async function prune(kind: string, root: string, keep: string): Promise<void> {
  const mounts = await readFile('/proc/mounts', 'utf8').catch(() => '');
  const names = (await readdir(root)).filter((name) => new RegExp(`^${kind}-[0-9a-f]{16}$`).test(name));
  const entries = await Promise.all(
    names.map(async (name) => ({ path: join(root, name), used: (await stat(join(root, name))).mtimeMs })),
  );
  const old = entries.sort((a, b) => b.used - a.used).slice(3);
  for (const entry of old)
    if (entry.path !== keep && !mounts.includes(entry.path))
      await rm(entry.path, { recursive: true, force: true });
}
