import { createWriteStream } from 'node:fs';
import { chown, readdir, readFile, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { ImageUpload } from '../api/handlers.ts';
import type { Run } from '../command/run.ts';
import { AppError } from '../contract/error.ts';
import { imageIdSchema } from '../contract/ids.ts';
import { type ImageFile, imageFileSchema } from '../contract/vms.ts';
import { makeDirectory, writeFileAtomic } from '../files/atomic.ts';
import type { Log } from '../log/log.ts';
import { exists, flush, refersElsewhere } from './disk-files.ts';
import { diskInfo } from './qemu-img.ts';
import { requireMounted, resolveOnVolume, type VolumeEnv } from './volume-path.ts';

export type ImagesEnv = VolumeEnv & {
  run: Run;
  log: Log;
  /** volumes that this host has mounted */
  volumes(): Promise<string[]>;
  /** whom QEMU runs as: a stranger's image is only ever looked at with that user's rights */
  qemuUser: { uid: number; gid: number };
};

export type Images = {
  list(): Promise<ImageFile[]>;
  upload(upload: ImageUpload, content: Readable, signal: AbortSignal): Promise<ImageFile>;
};

const mebibyte = 1_048_576;

/**
 * Images that disks are made from: `images/ID.qcow2` with `images/ID.json` beside it. The JSON is written last, so that
 * an image without one is what an interrupted upload left.
 */
export function makeImages(env: ImagesEnv): Images {
  const list = async (): Promise<ImageFile[]> => {
    const found: ImageFile[] = [];
    for (const volume of await env.volumes()) {
      const folder = resolveOnVolume(env.volumesDirectory, volume, 'images');
      const names = await readdir(folder).catch(() => []);
      for (const name of names.filter((one) => one.endsWith('.json') && !one.startsWith('.')).sort()) {
        try {
          found.push(imageFileSchema.parse(JSON.parse(await readFile(join(folder, name), 'utf8'))));
        } catch (error) {
          env.log.error('the description of an image cannot be read; the others are listed', error, {
            volume,
            name,
          });
        }
      }
    }
    return found;
  };

  const upload = async (wanted: ImageUpload, content: Readable, signal: AbortSignal): Promise<ImageFile> => {
    await requireMounted(env, wanted.volume);
    const id = imageIdSchema.parse(wanted.id);
    const path = `images/${id}.${wanted.format}`;
    const target = resolveOnVolume(env.volumesDirectory, wanted.volume, path);
    const description = resolveOnVolume(env.volumesDirectory, wanted.volume, `images/${id}.json`);
    if (await exists(description)) {
      const there = (await list()).find((image) => image.id === id);
      if (there !== undefined) {
        content.resume();
        return there;
      }
    }
    await makeDirectory(dirname(target), 0o711);
    const partial = join(dirname(target), `.${id}.partial`);
    try {
      await pipeline(content, createWriteStream(partial, { mode: 0o600 }), { signal });
      await flush(partial);
      await chown(partial, env.qemuUser.uid, env.qemuUser.gid);
      const { virtualBytes, refersTo } = await inspect(env, partial, wanted);
      if (refersTo.length > 0) throw refersElsewhere();
      await rename(partial, target);
      const image: ImageFile = {
        id,
        name: wanted.name,
        volume: wanted.volume,
        path,
        format: wanted.format,
        sizeMiB: Math.ceil(virtualBytes / mebibyte),
      };
      await writeFileAtomic(description, JSON.stringify(image), { directoryMode: 0o711 });
      return image;
    } finally {
      await rm(partial, { force: true });
    }
  };
  return { list, upload };
}

/** In a sandbox: QEMU's user, no new rights, bounded memory and time, and never a guess about the format. */
async function inspect(env: ImagesEnv, path: string, { format, sizeBytes }: ImageUpload) {
  const { uid, gid } = env.qemuUser;
  const before = [
    ...[
      'setpriv',
      `--reuid=${uid}`,
      `--regid=${gid}`,
      '--clear-groups',
      '--no-new-privs',
      '--bounding-set=-all',
    ],
    ...['prlimit', '--as=2147483648', '--cpu=20', '--nofile=64', '--fsize=0'],
  ];
  try {
    return await diskInfo(env, path, format, { before });
  } catch (error) {
    throw new AppError({
      code: 'image.not-an-image',
      family: 'invalid',
      message: `What was uploaded (${Math.ceil(sizeBytes / mebibyte)} MiB) is no readable ${format} image.`,
      remedy: 'Check that the file is complete and of the format that was chosen.',
      cause: error,
    });
  }
}
