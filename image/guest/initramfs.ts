import { readdir, readFile } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { type CpioEntry, cpio } from '../kit/cpio.ts';
import { busybox, folders, moduleGroups } from '../kit/initramfs.ts';

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

/** The guest's whole system. */
export async function guestInitramfs(tree: string, files: string): Promise<Buffer> {
  return cpio([
    ...folders('proc', 'sys', 'dev', 'run', 'tmp', 'mnt'),
    ...(await busybox(tree, applets)),
    ...(await scripts(files)),
    ...(await moduleGroups(tree, groups)),
  ]);
}
