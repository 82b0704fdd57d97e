import { eq } from 'drizzle-orm';
import { z } from 'zod';
import { AppError } from '../../node/contract/error.ts';
import { type ImageId, imageIdSchema, nameSchema } from '../../node/contract/ids.ts';
import type { ImageFile } from '../../node/contract/vms.ts';
import type { Image } from '../contract/storage.ts';
import { type Db, databaseError } from '../db/database.ts';
import { images } from '../db/schema.ts';
import type { HostEntry, Hosts } from '../hosts/hosts.ts';
import { mountsVolume } from '../vms/job-create.ts';

const imageRecordSchema = z.object({
  id: imageIdSchema,
  name: z.string(),
  volume: nameSchema,
  path: z.string(),
  format: z.enum(['raw', 'qcow2']),
  sizeMib: z.number(),
  createdAt: z.date(),
});
export type ImageRecord = z.infer<typeof imageRecordSchema>;

export const imageView = ({ path: _, sizeMib, createdAt, ...rest }: ImageRecord): Image => ({
  ...rest,
  sizeMiB: sizeMib,
  createdAt: createdAt.toISOString(),
});

/**
 * Images that disks are made from. The files on the volumes are the truth, whoever put them there; the database adds
 * since when each is known.
 */
export class Images {
  readonly #db: Db;
  readonly #hosts: Hosts;
  readonly #now: () => Date;
  readonly #byId = new Map<ImageId, ImageRecord>();

  constructor(env: { db: Db; hosts: Hosts; now(): Date }) {
    this.#db = env.db;
    this.#hosts = env.hosts;
    this.#now = env.now;
  }

  async load(): Promise<void> {
    for (const row of await this.#db.select().from(images)) {
      const record = imageRecordSchema.parse(row);
      this.#byId.set(record.id, record);
    }
  }

  all = (): ImageRecord[] => [...this.#byId.values()].sort((a, b) => (a.name < b.name ? -1 : 1));

  need(id: ImageId): ImageRecord {
    const record = this.#byId.get(id);
    if (record === undefined)
      throw new AppError({ code: 'image.missing', family: 'missing', message: 'There is no such image.' });
    return record;
  }

  /** Looks at what is on each volume, through one host that mounts it; a volume that nobody shows is left as it is. */
  async refresh(volumes: readonly string[], signal: AbortSignal): Promise<string> {
    let found = 0;
    for (const volume of volumes) {
      const entry = this.#hosts.online().find(mountsVolume(volume));
      if (entry === undefined) continue;
      found += await this.#refreshVolume(entry, volume, signal);
    }
    return `${found} images`;
  }

  async #refreshVolume(entry: HostEntry, volume: string, signal: AbortSignal): Promise<number> {
    const answer = await entry.link.client.call('getImages', {}, { signal });
    const files = answer.filter((file) => file.volume === volume);
    for (const file of files) await this.#keep(file);
    const present = new Set(files.map(({ id }) => id));
    for (const record of this.#byId.values())
      if (record.volume === volume && !present.has(record.id)) await this.forget(record.id);
    return files.length;
  }

  async #keep(file: ImageFile): Promise<void> {
    const before = this.#byId.get(file.id);
    if (before !== undefined && before.name === file.name && before.sizeMib === Math.ceil(file.sizeMiB))
      return;
    const record: ImageRecord = {
      id: file.id,
      name: file.name,
      volume: file.volume,
      path: file.path,
      format: file.format,
      sizeMib: Math.ceil(file.sizeMiB),
      createdAt: before?.createdAt ?? this.#now(),
    };
    const { id: _id, ...changing } = record;
    await this.#write(() =>
      this.#db.insert(images).values(record).onConflictDoUpdate({ target: images.id, set: changing }),
    );
    this.#byId.set(record.id, record);
  }

  async forget(id: ImageId): Promise<void> {
    await this.#write(() => this.#db.delete(images).where(eq(images.id, id)));
    this.#byId.delete(id);
  }

  async #write(query: () => PromiseLike<unknown>): Promise<void> {
    try {
      await query();
    } catch (thrown) {
      throw databaseError(thrown, 'keeping what images there are');
    }
  }
}
