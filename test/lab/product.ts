import { existsSync } from 'node:fs';
import { cp, link, mkdir, readdir, rm } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { run } from '../../node/command/run.ts';
import { repoRoot } from './plan.ts';

export type ProductImages = {
  /** files of the engine's image: /usr/lib/trefoil/engine/ */
  engine: readonly string[];
  /** guest images by name: /usr/lib/trefoil/images/<name>.qcow2 */
  guests: Readonly<Record<string, string>>;
};

/** The product's own files as they lie on a host: laid over the OS tree, so that a changed bundle builds no tree. */
export async function fillProduct(folder: string, images?: ProductImages): Promise<void> {
  const target = join(folder, 'usr/lib/trefoil');
  await rm(folder, { recursive: true, force: true });
  await mkdir(target, { recursive: true });
  await copyBundles(target);
  for (const path of images?.engine ?? []) await place(path, join(target, 'engine'), basename(path));
  for (const [name, path] of Object.entries(images?.guests ?? {}))
    await place(path, join(target, 'images'), `${name}.qcow2`);
}

/** The engine's program and the UI are not among them: they are in the engine's image. */
const onHosts = /^(trefoil-node|trefoil-ha|trefoil-installer|trefoil)\.mjs(\.map)?$|^version$/;

async function copyBundles(target: string): Promise<void> {
  const dist = join(repoRoot, 'dist');
  if (!existsSync(dist)) return;
  for (const name of await readdir(dist))
    if (onHosts.test(name)) await cp(join(dist, name), join(target, name));
}

/** Images are large and never written to: hosts see the one in the cache. */
async function place(from: string, folder: string, name: string): Promise<void> {
  await mkdir(folder, { recursive: true });
  await link(from, join(folder, name)).catch(() =>
    run(['cp', '--reflink=auto', '--sparse=always', from, join(folder, name)]),
  );
}
