import { createHash, randomBytes } from 'node:crypto';
import { mkdir, readdir, readFile, rename, rm, stat, utimes } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join, relative } from 'node:path';

/**
 * Built things, by content: an entry's name is the hash of all that went into it, so it never goes stale and is
 * never changed once it is there. Two builds of the same entry may run at once: the first to finish wins.
 */
export const cacheRoot = (): string =>
  join(process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), 'trefoil');

/** What an entry is made of: file contents by name, or plain values that steer the build. */
export type Ingredients = Record<string, string | Uint8Array>;

export function keyOf(ingredients: Ingredients): string {
  const hash = createHash('sha256');
  for (const name of Object.keys(ingredients).sort()) {
    const content = Buffer.from(ingredients[name] ?? '');
    hash.update(`${name}\0${content.length}\0`).update(content);
  }
  return hash.digest('hex').slice(0, 20);
}

/** All files below the folders as ingredients, tests and READMEs left out: they change nothing that is built. */
export async function filesBelow(root: string, ...folders: readonly string[]): Promise<Ingredients> {
  const found: Ingredients = {};
  for (const folder of folders)
    for (const entry of await readdir(join(root, folder), { recursive: true, withFileTypes: true })) {
      const path = join(entry.parentPath, entry.name);
      if (!entry.isFile() || /\.test\.ts$|README\.md$/.test(entry.name)) continue;
      found[relative(root, path)] = await readFile(path);
    }
  return found;
}

/** How many entries of a kind stay: the most recently used ones. */
const keep = 4;

/** Gives the folder of the entry, after `build` has filled it if it was not there. */
export async function cached(
  kind: string,
  ingredients: Ingredients,
  build: (dir: string) => Promise<void>,
): Promise<string> {
  const shelf = join(cacheRoot(), kind);
  const entry = join(shelf, keyOf(ingredients));
  if (await exists(entry)) {
    await utimes(entry, new Date(), new Date());
    return entry;
  }
  const making = `${entry}.making-${process.pid}-${randomBytes(4).toString('hex')}`;
  await mkdir(making, { recursive: true });
  try {
    await build(making);
    await rename(making, entry).catch(async (error: unknown) => {
      if (!(await exists(entry))) throw error;
    });
  } finally {
    await rm(making, { recursive: true, force: true });
  }
  await forgetOld(shelf);
  return entry;
}

async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}

const day = 24 * 3600_000;

/** Drops entries that nobody used lately, and what killed builds left behind a day ago. */
async function forgetOld(shelf: string): Promise<void> {
  const entries = await Promise.all(
    (await readdir(shelf)).map(async (name) => {
      const path = join(shelf, name);
      const used = await stat(path).then(
        (it) => it.mtimeMs,
        () => 0,
      );
      return { path, used, making: name.includes('.making-') };
    }),
  );
  const finished = entries.filter((it) => !it.making).sort((a, b) => b.used - a.used);
  const abandoned = entries.filter((it) => it.making && it.used < Date.now() - day);
  for (const { path } of [...finished.slice(keep), ...abandoned])
    await rm(path, { recursive: true, force: true });
}
