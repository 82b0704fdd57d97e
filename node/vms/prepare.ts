import { chown, stat } from 'node:fs/promises';
import { AppError } from '../contract/error.ts';
import type { VmSpec } from '../contract/vms.ts';
import { exists } from './disk-files.ts';
import { prepareNvram } from './nvram.ts';
import { seedPath, type VmPaths } from './paths.ts';
import { ensureCloudInitSeed, removeCloudInitSeed } from './seed.ts';
import { requireMounted, resolveOnVolume, type VolumeEnv } from './volume-path.ts';

export type PrepareEnv = VolumeEnv & {
  paths: VmPaths;
  /** whom QEMU runs as: libvirt is told not to change owners, so that no host takes a disk from another's hands */
  qemuUser: { uid: number; gid: number };
};

async function requireDisk(env: PrepareEnv, spec: VmSpec, disk: VmSpec['disks'][number]): Promise<void> {
  const path = resolveOnVolume(env.volumesDirectory, disk.volume, disk.path);
  const { uid, gid } = env.qemuUser;
  try {
    const owner = await stat(path);
    if (owner.uid !== uid || owner.gid !== gid) await chown(path, uid, gid);
  } catch (cause) {
    const missing = cause instanceof Error && 'code' in cause && cause.code === 'ENOENT';
    throw new AppError({
      code: missing ? 'disk.missing' : 'disk.unreadable',
      family: missing ? 'missing' : 'unavailable',
      message: missing
        ? `${spec.name} has a disk that is not on the volume ${disk.volume}: ${disk.path}.`
        : `The volume ${disk.volume} does not give ${spec.name} its disk ${disk.path}.`,
      retry: missing ? 'never' : 'other-host',
      cause,
    });
  }
}

/**
 * Before a domain starts or arrives here: its disks are there and QEMU may open them, its seed is written. The seed of a
 * VM that arrives is in use by its source: it is written only where there is none.
 */
export async function prepareVm(env: PrepareEnv, spec: VmSpec, how: 'starts' | 'arrives'): Promise<void> {
  const { cloudInit, seedVolume } = spec;
  const volumes = new Set(spec.disks.map(({ volume }) => volume));
  if (cloudInit !== undefined && seedVolume !== undefined) volumes.add(seedVolume);
  await Promise.all([...volumes].map((volume) => requireMounted(env, volume)));
  await Promise.all([
    ...spec.disks.map((disk) => requireDisk(env, spec, disk)),
    prepareSeed(env, spec, how),
    prepareNvram(env.paths, spec),
  ]);
}

async function prepareSeed(env: PrepareEnv, spec: VmSpec, how: 'starts' | 'arrives'): Promise<void> {
  const { id, cloudInit, seedVolume } = spec;
  if (cloudInit === undefined) return;
  if (seedVolume === undefined)
    throw new AppError({
      code: 'vm.no-seed-volume',
      family: 'invalid',
      message: 'The VM has first-boot data, but no volume to keep it on.',
    });
  const present = resolveOnVolume(env.volumesDirectory, seedVolume, seedPath(id));
  if (how === 'arrives' && (await exists(present))) return;
  await ensureCloudInitSeed(env, { vmId: id, cloudInit, volume: seedVolume, owner: env.qemuUser });
}

/** What is made for a VM besides its disks. The firmware's variables go with its first disk (nvram.ts). */
export async function cleanUpVm(env: PrepareEnv, { id, cloudInit, seedVolume }: VmSpec): Promise<void> {
  if (cloudInit === undefined || seedVolume === undefined) return;
  if (!(await env.isMounted(seedVolume))) return;
  await removeCloudInitSeed(env, { vmId: id, volume: seedVolume });
}
