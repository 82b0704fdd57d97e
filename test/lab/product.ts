import { existsSync } from 'node:fs';
import { cp, mkdir, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { repoRoot } from './plan.ts';

/** The product's own files as they lie on a host: laid over the OS tree, so that a changed bundle builds no tree. */
export async function fillProduct(folder: string): Promise<void> {
  const target = join(folder, 'usr/lib/trefoil');
  await rm(folder, { recursive: true, force: true });
  await mkdir(target, { recursive: true });
  const dist = join(repoRoot, 'dist');
  if (!existsSync(dist)) return;
  for (const name of await readdir(dist))
    if (name.endsWith('.mjs') || name.endsWith('.mjs.map') || name === 'version')
      await cp(join(dist, name), join(target, name));
}
