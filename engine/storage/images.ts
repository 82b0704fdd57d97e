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
 * since when each is known. Changes are made one after the other, and a look at a volume says nothing about images that
 * changed after it began: a list that was on its way while an image was deleted does not bring it back.
 */
export class Images {
  readonly #db: Db;
  readonly #hosts: Pick<Hosts, 'online'>;
  readonly #now: () => Date;
  readonly #tell: (id: ImageId) => void;
  readonly #byId = new Map<ImageId, ImageRecord>();
  /** counts changes; and at which count each image changed last */
  #changes = 0;
  readonly #changedAt = new Map<ImageId, number>();
  #lastTurn: Promise<unknown> = Promise.resolve();

  constructor(env: { db: Db; hosts: Pick<Hosts, 'online'>; now(): Date; tell(id: ImageId): void }) {
    this.#db = env.db;
    this.#hosts = env.hosts;
    this.#now = env.now;
    this.#tell = env.tell;
  }

  async load(): Promise<void> {
    for (const row of await this.#db.select().from(images)) {
      const record = imageRecordSchema.parse(row);
      this.#byId.set(record.id, record);
    }
  }

  all = (): ImageRecord[] => [...this.#byId.values()].sort((a, b) => (a.name < b.name ? -1 : 1));

  get = (id: ImageId): ImageRecord | undefined => this.#byId.get(id);

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
    const began = this.#changes;
    const answer = await entry.link.client.call('getImages', {}, { signal });
    const files = answer.filter((file) => file.volume === volume);
    const present = new Set(files.map(({ id }) => id));
    await this.#inTurn(async () => {
      const isNews = (id: ImageId) => (this.#changedAt.get(id) ?? 0) <= began;
      for (const file of files) if (isNews(file.id)) await this.#keep(file);
      for (const record of [...this.#byId.values()])
        if (record.volume === volume && !present.has(record.id) && isNews(record.id))
          await this.#drop(record.id);
    });
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
    this.#changed(record.id);
  }

  forget(id: ImageId): Promise<void> {
    return this.#inTurn(() => this.#drop(id));
  }

  async #drop(id: ImageId): Promise<void> {
    await this.#write(() => this.#db.delete(images).where(eq(images.id, id)));
    this.#byId.delete(id);
    this.#changed(id);
  }

  #changed(id: ImageId): void {
    this.#changes += 1;
    this.#changedAt.set(id, this.#changes);
    this.#tell(id);
  }

  #inTurn(act: () => Promise<void>): Promise<void> {
    const turn = this.#lastTurn.then(act);
    this.#lastTurn = turn.catch(() => {});
    return turn;
  }

  async #write(query: () => PromiseLike<unknown>): Promise<void> {
    try {
      await query();
    } catch (thrown) {
      throw databaseError(thrown, 'keeping what images there are');
    }
  }
}
