import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { AppError } from '../contract/error.ts';

/** Where a volume is mounted; `mountPut` in node/contract/storage.ts says the same. */
export const volumesDirectory = '/var/lib/trefoil/volumes';

export type VolumeEnv = {
  volumesDirectory: string;
  /** whether this host has the volume mounted now */
  isMounted(volume: string): Promise<boolean>;
};

/** The absolute path of a file on a volume. The schema allows no `..` and no absolute path; this checks it once more. */
export function resolveOnVolume(directory: string, volume: string, path: string): string {
  const root = join(directory, volume);
  const absolute = join(root, path);
  if (!absolute.startsWith(`${root}/`) || path.includes('\0'))
    throw new AppError({
      code: 'volume.bad-path',
      family: 'invalid',
      message: 'That path leads out of the volume.',
    });
  return absolute;
}

/** Whether something is mounted at `path`, from the text of /proc/self/mountinfo (its fifth field, octal escapes). */
export function isMountPoint(mountinfo: string, path: string): boolean {
  return mountinfo.split('\n').some((line) => {
    const point = line.split(' ')[4];
    return (
      point?.replaceAll(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(parseInt(octal, 8))) ===
      path
    );
  });
}

export const systemVolumes: VolumeEnv = {
  volumesDirectory,
  isMounted: async (volume) =>
    isMountPoint(await readFile('/proc/self/mountinfo', 'utf8'), join(volumesDirectory, volume)),
};

/**
 * Refuses to go on when the volume is not mounted here: a disk written to the bare directory would fill the system disk
 * and be missing on every other host.
 */
export async function requireMounted(env: VolumeEnv, volume: string): Promise<void> {
  if (await env.isMounted(volume)) return;
  throw new AppError({
    code: 'volume.not-mounted',
    family: 'unavailable',
    message: `The volume ${volume} is not mounted on this host.`,
    remedy: 'Look at Storage: the volume may be offline, or this host cut off from it.',
    retry: 'other-host',
    details: { volume },
  });
}
