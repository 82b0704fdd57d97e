import { randomUUID } from 'node:crypto';
import { AppError } from '../../node/contract/error.ts';
import { imageIdSchema } from '../../node/contract/ids.ts';
import type { Some } from '../api/handler.ts';
import { pageOfList } from '../api/page.ts';
import { queryString } from '../contract/client.ts';
import type { Volume } from '../contract/storage.ts';
import type { NewEvent } from '../events/store.ts';
import type { Hosts } from '../hosts/hosts.ts';
import type { Jobs } from '../jobs/runner.ts';
import { mountsVolume } from '../vms/job-create.ts';
import { type Images, imageView } from './images.ts';

export type StorageRoutesEnv = {
  hosts: Hosts;
  jobs: Jobs;
  images: Images;
  volumes(): Volume[];
  record(event: NewEvent): Promise<void>;
};

export function usableVolume(volumes: readonly Volume[], name: string): Volume {
  const volume = volumes.find((each) => each.name === name);
  if (volume === undefined)
    throw new AppError({
      code: 'volume.missing',
      family: 'invalid',
      message: `There is no volume called ${name}.`,
    });
  if (!volume.forVms)
    throw new AppError({
      code: 'volume.not-for-vms',
      family: 'invalid',
      message: `The volume ${name} is not for VMs.`,
      remedy: 'Choose another volume.',
    });
  return volume;
}

/** Refuses what certainly does not fit; thin disks may still fill it later. */
export function needSpace(volume: Volume, neededMiB: number): void {
  if (volume.freeMiB >= neededMiB) return;
  throw new AppError({
    code: 'volume.full',
    family: 'conflict',
    message: `The volume ${volume.name} has ${volume.freeMiB} MiB free; ${neededMiB} MiB are needed.`,
    remedy: 'Delete what is not needed, or choose another volume.',
  });
}

const empty = (): AppError =>
  new AppError({ code: 'image.empty', family: 'invalid', message: 'The image is empty.' });

/** The body's bytes, once it is known that there are any: a host is not bothered with nothing. */
async function uploaded(body: ReadableStream<Uint8Array> | null): Promise<AsyncIterable<Uint8Array>> {
  if (body === null) throw empty();
  const reader = body.getReader();
  const first = await reader.read();
  if (first.done) throw empty();
  return (async function* () {
    yield first.value;
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      yield value;
    }
  })();
}

export const storageRoutes = (
  env: StorageRoutesEnv,
): Some<'listVolumes' | 'listImages' | 'uploadImage' | 'deleteImage'> => ({
  async listVolumes({ query }) {
    return pageOfList(env.volumes(), query, (volume) => volume.name);
  },
  async listImages({ query }) {
    return pageOfList(env.images.all().map(imageView), query, (image) => image.name);
  },
  async uploadImage({ query, request, caller }) {
    const volume = usableVolume(env.volumes(), query.volume);
    const length = Number(request.headers.get('content-length') ?? Number.NaN);
    const size = Number.isFinite(length) ? length : undefined;
    needSpace(volume, Math.ceil((size ?? 1) / 1024 / 1024));
    const entry = env.hosts.anyOnline(mountsVolume(volume.name));
    const bytes = await uploaded(request.body);
    const id = imageIdSchema.parse(randomUUID());
    const { name, format } = query;
    const path = `/v1/images/${id}${queryString({ name, volume: volume.name, format, size })}`;
    await entry.link.putStream(path, bytes, size, request.signal);
    await env.images.refresh([volume.name], AbortSignal.timeout(10_000));
    await env.record({
      severity: 'info',
      code: 'image.uploaded',
      message: `The image ${name} was uploaded.`,
      subject: { kind: 'image', id, name },
      user: caller.name,
    });
    return imageView(env.images.need(id));
  },
  async deleteImage({ params, caller }) {
    const { id, name, volume, path } = env.images.need(params.id);
    const jobId = await env.jobs.submit({
      kind: 'image.delete',
      title: `Delete image ${name}`,
      input: { id, name, volume, path },
      subject: { kind: 'image', id, name },
      locks: [`image:${id}`],
      user: caller.name,
    });
    return { jobId };
  },
});
