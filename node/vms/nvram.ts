import { mkdir, readdir, readFile, rm } from 'node:fs/promises';
import type { VmSpec } from '../contract/vms.ts';
import { writeFileAtomic } from '../files/atomic.ts';
import { onVolume, type VmPaths } from './paths.ts';

/**
 * The variables of a VM's UEFI firmware: `nvram/ID.fd`, written by QEMU, beside the VM's first disk and as long-lived as
 * that: they hold which boot entries its system has made. `nvram/ID.disk` says which disk that is.
 */
const disksEnding = '.disk';
const folderOf = (paths: Pick<VmPaths, 'volumes'>, volume: string) => onVolume(paths, volume, 'nvram');

export async function prepareNvram(
  paths: Pick<VmPaths, 'volumes'>,
  { id, firmware, disks }: Pick<VmSpec, 'id' | 'firmware' | 'disks'>,
): Promise<void> {
  const [first] = disks;
  if (firmware !== 'uefi' || first === undefined) return;
  await mkdir(folderOf(paths, first.volume), { recursive: true, mode: 0o711 });
  const owner = `${folderOf(paths, first.volume)}/${id}${disksEnding}`;
  if ((await readFile(owner, 'utf8').catch(() => '')) !== first.path)
    await writeFileAtomic(owner, first.path);
}

/** The disk is deleted: so are the variables of the VM whose first disk it was. */
export async function removeNvramOf(
  paths: Pick<VmPaths, 'volumes'>,
  disk: { volume: string; path: string },
): Promise<void> {
  const folder = folderOf(paths, disk.volume);
  const names = await readdir(folder).catch(() => []);
  for (const name of names.filter((one) => one.endsWith(disksEnding))) {
    if ((await readFile(`${folder}/${name}`, 'utf8').catch(() => undefined)) !== disk.path) continue;
    const id = name.slice(0, -disksEnding.length);
    await rm(`${folder}/${id}.fd`, { force: true });
    await rm(`${folder}/${name}`, { force: true });
  }
}
