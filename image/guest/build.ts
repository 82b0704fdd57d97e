/**
 * The test guest: a disk that boots in seconds under emulation, says who it is, and counts. See README.md.
 * `node image/guest/build.ts` builds it, or finds it in the cache, and prints where it is.
 */
import { mkdtemp, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { stdout } from 'node:process';
import { cached, hashOf } from '../cache.ts';
import { isIngredient, kernelOf, makeBootDisk } from '../kit/bootdisk.ts';
import { debianTree, packageList } from '../kit/debian.ts';
import { partitionType } from '../kit/mbr.ts';
import { tool } from '../tool.ts';
import { guestInitramfs } from './initramfs.ts';

export type GuestImage = {
  /** qcow2; the first 19 MiB are the boot partition, the last MiB is where the guest writes its records */
  path: string;
  bytes: number;
};

const here = import.meta.dirname;
const commandLine = 'console=tty0 console=ttyS0 quiet mitigations=off random.trust_cpu=on panic=1';
/** 2048 records of 512 bytes: a second each, so more than half an hour before the first is overwritten */
const recordBytes = 1024 * 1024;

export async function buildGuestImage(): Promise<GuestImage> {
  const inputs = ['packages.txt', 'files', 'build.ts', 'initramfs.ts', '../kit'].map((it) => join(here, it));
  const entry = await cached('guest', await hashOf(inputs, [], { keep: isIngredient }), async (dir) => {
    const tree = await mkdtemp(join(tmpdir(), 'trefoil-guest-'));
    try {
      const packages = packageList(await readFile(join(here, 'packages.txt'), 'utf8'));
      await debianTree({ into: tree, variant: 'extract', packages });
      const raw = join(dir, 'guest.raw');
      await makeBootDisk({
        path: raw,
        kernel: await kernelOf(tree),
        initrd: await guestInitramfs(tree, join(here, 'files')),
        commandLine,
        label: 'TFGUEST',
        signature: 0x7ef0_0001,
        others: [{ bytes: recordBytes, type: partitionType.data }],
      });
      await tool(['qemu-img', 'convert', '-f', 'raw', '-O', 'qcow2', raw, join(dir, 'guest.qcow2')]);
      await rm(raw);
    } finally {
      await rm(tree, { recursive: true, force: true });
    }
  });
  const path = join(entry.path, 'guest.qcow2');
  return { path, bytes: (await stat(path)).size };
}

if (import.meta.main) {
  const { path, bytes } = await buildGuestImage();
  stdout.write(`${path} (${(bytes / 1e6).toFixed(1)} MB)\n`);
}
