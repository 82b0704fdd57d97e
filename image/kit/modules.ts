import { readdir, readFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { tool } from '../tool.ts';

/** A kernel module ready for an initramfs: uncompressed, as decompressing at boot costs more than reading. */
export type KernelModule = { name: string; content: Buffer };

/** `depends=a,b` stands in the module's .modinfo section, NUL-terminated like all its fields. */
export function dependsOf(module: Buffer): string[] {
  const start = module.indexOf('\0depends=');
  if (start < 0) return [];
  const from = start + '\0depends='.length;
  const text = module.subarray(from, module.indexOf(0, from)).toString();
  return text === '' ? [] : text.split(',');
}

const nameOf = (path: string): string =>
  basename(path)
    .replace(/\.ko(\.xz|\.zst|\.gz)?$/, '')
    .replaceAll('-', '_');

/** Puts what others depend on first. */
export async function inLoadOrder(
  wanted: readonly string[],
  load: (name: string) => Promise<Buffer>,
): Promise<KernelModule[]> {
  const ordered: KernelModule[] = [];
  const visit = async (name: string): Promise<void> => {
    if (ordered.some((it) => it.name === name)) return;
    const content = await load(name);
    for (const needed of dependsOf(content)) await visit(needed.replaceAll('-', '_'));
    ordered.push({ name, content });
  };
  for (const name of wanted) await visit(name.replaceAll('-', '_'));
  return ordered;
}

/** The wanted modules of the kernel in the tree and all that they need, in the order to load them. */
export async function kernelModules(tree: string, wanted: readonly string[]): Promise<KernelModule[]> {
  const folder = join(tree, 'usr/lib/modules');
  const paths = new Map<string, string>();
  for (const entry of await readdir(folder, { recursive: true, withFileTypes: true }))
    if (/\.ko(\.xz)?$/.test(entry.name)) paths.set(nameOf(entry.name), join(entry.parentPath, entry.name));
  return inLoadOrder(wanted, async (name) => {
    const path = paths.get(name);
    if (path === undefined) throw new Error(`the kernel has no module ${name}`);
    if (!path.endsWith('.xz')) return readFile(path);
    await tool(['xz', '--decompress', '--keep', '--force', path]);
    return readFile(path.slice(0, -'.xz'.length));
  });
}
