import { readFile } from 'node:fs/promises';
import { AppError } from '../contract/error.ts';
import type { CloudInit, EngineSeedPut } from '../contract/vms.ts';
import { removeFileDurably, writeFileAtomic } from '../files/atomic.ts';
import { exists } from './disk-files.ts';
import { fatImage } from './fat.ts';
import { requireMounted, resolveOnVolume, type VolumeEnv } from './volume-path.ts';

export type SeedEnv = { volumesDirectory: string };

export const engineSeedBytes = 1_048_576;

const seedPath = (env: SeedEnv, volume: string, vmId: string) =>
  resolveOnVolume(env.volumesDirectory, volume, `seeds/${vmId}.raw`);

/**
 * The CIDATA disk of a VM (cloud-init's NoCloud source): a FAT file system of 1 MiB, raw, with meta-data, user-data and,
 * when given, network-config. Returns its absolute path. A seed with this content that is there already is left alone:
 * it may be in use, and a VM starts quicker.
 */
export async function ensureCloudInitSeed(
  env: SeedEnv,
  wanted: { vmId: string; cloudInit: CloudInit; volume: string; owner?: { uid: number; gid: number } },
): Promise<{ path: string }> {
  const path = seedPath(env, wanted.volume, wanted.vmId);
  const { metaData, userData, networkConfig } = wanted.cloudInit;
  const texts = { 'meta-data': metaData, 'user-data': userData, 'network-config': networkConfig };
  const files = Object.entries(texts).flatMap(([name, text]) =>
    text === undefined ? [] : [{ name, content: Buffer.from(text) }],
  );
  const image = fatImage('CIDATA', files);
  const present = await readFile(path).catch(() => undefined);
  if (present?.equals(image) !== true)
    await writeFileAtomic(path, image, {
      directoryMode: 0o711,
      ...(wanted.owner === undefined ? {} : { owner: wanted.owner }),
    });
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
export async function putEngineSeed(env: VolumeEnv, wanted: EngineSeedPut): Promise<void> {
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
