import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Run } from '../command/run.ts';
import { AppError } from '../contract/error.ts';
import type { CloudInit, EngineSeedPut } from '../contract/vms.ts';
import { removeFileDurably, writeFileAtomic } from '../files/atomic.ts';
import { exists } from './disk-files.ts';
import { requireMounted, resolveOnVolume, type VolumeEnv } from './volume-path.ts';

export type SeedEnv = { run: Run; volumesDirectory: string };

const cidataKiB = 1024;
export const engineSeedBytes = 1_048_576;

const seedPath = (env: SeedEnv, volume: string, vmId: string) =>
  resolveOnVolume(env.volumesDirectory, volume, `seeds/${vmId}.raw`);

/**
 * The CIDATA disk of a VM (cloud-init's NoCloud source): a FAT file system of 1 MiB, raw, with meta-data, user-data and,
 * when given, network-config. Built aside, then written whole. Returns its absolute path; the same content again
 * replaces the file by an equal one.
 */
export async function ensureCloudInitSeed(
  env: SeedEnv,
  wanted: { vmId: string; cloudInit: CloudInit; volume: string },
): Promise<{ path: string }> {
  const path = seedPath(env, wanted.volume, wanted.vmId);
  const folder = await mkdtemp(join(tmpdir(), 'trefoil-seed-'));
  try {
    const image = join(folder, 'seed');
    await env.run(['mkfs.vfat', '-n', 'CIDATA', '-C', image, String(cidataKiB)], { timeoutMs: 10_000 });
    const { metaData, userData, networkConfig } = wanted.cloudInit;
    const files = { 'meta-data': metaData, 'user-data': userData, 'network-config': networkConfig };
    for (const [name, text] of Object.entries(files)) {
      if (text === undefined) continue;
      await writeFile(join(folder, name), text, { mode: 0o600 });
      await env.run(['mcopy', '-i', image, join(folder, name), `::${name}`], { timeoutMs: 10_000 });
    }
    await writeFileAtomic(path, await readFile(image), { directoryMode: 0o711 });
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
  return { path };
}

export async function removeCloudInitSeed(
  env: SeedEnv,
  file: { vmId: string; volume: string },
): Promise<void> {
  const path = seedPath(env, file.volume, file.vmId);
  if (await exists(path)) await removeFileDurably(path);
}

/** The engine's seed as the disk that its VM reads at boot: JSON, then zero bytes up to 1 MiB. Holds secrets: 0600. */
export async function putEngineSeed(env: SeedEnv & VolumeEnv, wanted: EngineSeedPut): Promise<void> {
  await requireMounted(env, wanted.volume);
  const text = Buffer.from(JSON.stringify(wanted.seed));
  if (text.length >= engineSeedBytes)
    throw new AppError({
      code: 'seed.too-large',
      family: 'invalid',
      message: 'The engine seed is larger than 1 MiB.',
    });
  const bytes = Buffer.alloc(engineSeedBytes);
  text.copy(bytes);
  await writeFileAtomic(resolveOnVolume(env.volumesDirectory, wanted.volume, wanted.path), bytes, {
    directoryMode: 0o711,
  });
}
