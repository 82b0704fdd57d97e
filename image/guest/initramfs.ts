import { readdir, readFile } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { type CpioEntry, cpio } from '../kit/cpio.ts';
import { kernelModules } from '../kit/modules.ts';

/** Kernel modules by group: `always` at start, the others when the scripts find that they are needed. */
const groups = {
  always: ['virtio_blk', 'virtio_net', 'evdev', 'button'],
  vfat: ['vfat', 'nls_cp437', 'nls_ascii'],
  iso9660: ['isofs'],
  sata: ['sd_mod', 'sr_mod', 'ahci', 'ata_piix'],
} as const;

/** What the guest's scripts call; busybox has 300 more. */
const applets =
  'awk cat cp dd echo findfs hostname httpd init insmod ip mkdir mount poweroff printf sh sleep sync tr udhcpc umount';

async function scripts(folder: string): Promise<CpioEntry[]> {
  const entries: CpioEntry[] = [];
  for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue;
    const path = join(entry.parentPath, entry.name);
    const content = await readFile(path);
    const mode = content.subarray(0, 2).toString() === '#!' ? 0o755 : 0o644;
    entries.push({ path: relative(folder, path), type: 'file', mode, content });
  }
  return entries.sort((a, b) => (a.path < b.path ? -1 : 1));
}

/** The guest's whole system, uncompressed: it is small, and decompressing costs an emulated machine more than reading. */
export async function guestInitramfs(tree: string, files: string): Promise<Buffer> {
  const modules = new Map<string, Buffer>();
  const lists: CpioEntry[] = [];
  for (const [group, wanted] of Object.entries(groups)) {
    const ordered = await kernelModules(tree, wanted);
    for (const { name, content } of ordered) modules.set(name, content);
    const content = ordered.map(({ name }) => `${name}\n`).join('');
    lists.push({ path: `lib/modules/${group}`, type: 'file', content });
  }
  return cpio([
    ...['proc', 'sys', 'dev', 'run', 'tmp', 'mnt'].map((path) => ({ path, type: 'dir' as const })),
    {
      path: 'bin/busybox',
      type: 'file',
      mode: 0o755,
      content: await readFile(join(tree, 'usr/bin/busybox')),
    },
    ...applets.split(' ').map((name) => ({ path: `bin/${name}`, type: 'link' as const, target: 'busybox' })),
    ...(await scripts(files)),
    ...lists,
    ...[...modules].map(([name, content]) => ({
      path: `lib/modules/${name}.ko`,
      type: 'file' as const,
      content,
    })),
  ]);
}
