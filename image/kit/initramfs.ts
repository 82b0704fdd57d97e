import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { CpioEntry } from './cpio.ts';
import { kernelModules } from './modules.ts';

/** Parts of an initramfs. It stays uncompressed: decompressing costs an emulated machine more than reading. */

/** busybox of an unpacked tree, and the tools that scripts call it by. */
export async function busybox(tree: string, applets: string): Promise<CpioEntry[]> {
  const content = await readFile(join(tree, 'usr/bin/busybox'));
  return [
    { path: 'bin/busybox', type: 'file', mode: 0o755, content },
    ...applets.split(' ').map((name) => ({ path: `bin/${name}`, type: 'link' as const, target: 'busybox' })),
  ];
}

/** Kernel modules as lib/modules/NAME.ko, and for each group a list lib/modules/GROUP in the order to load them. */
export async function moduleGroups(
  tree: string,
  groups: Readonly<Record<string, readonly string[]>>,
): Promise<CpioEntry[]> {
  const modules = new Map<string, Buffer>();
  const lists: CpioEntry[] = [];
  for (const [group, wanted] of Object.entries(groups)) {
    const ordered = await kernelModules(tree, wanted);
    for (const { name, content } of ordered) modules.set(name, content);
    const content = ordered.map(({ name }) => `${name}\n`).join('');
    lists.push({ path: `lib/modules/${group}`, type: 'file', content });
  }
  const files = [...modules].map(([name, content]) => ({
    path: `lib/modules/${name}.ko`,
    type: 'file' as const,
    content,
  }));
  return [...lists, ...files];
}

export const folders = (...paths: readonly string[]): CpioEntry[] =>
  paths.map((path) => ({ path, type: 'dir' }));
