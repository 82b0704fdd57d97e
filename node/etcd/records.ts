import { isDeepStrictEqual } from 'node:util';
import type { z } from 'zod';
import { AppError } from '../contract/error.ts';
import type { CallOptions } from './call.ts';
import type { EtcdClient } from './client.ts';
import { type FollowItem, follow } from './follow.ts';
import type { KeyValue } from './wire.ts';

/**
 * Typed records under a prefix, one JSON value a key. A value that does not parse is never guessed at: it is told by
 * its key, reading it alone is refused (`etcd.corrupt-record`), and all others go on.
 */
export type RecordKind<S extends z.ZodType> = {
  /** for people: "host", "volume" */
  name: string;
  /** key = prefix + id; the id is '' for a kind with one record only */
  prefix: string;
  schema: S;
};
export type Found<T> = { id: string; value: T; modRevision: number; createRevision: number };
export type Corrupt = { id: string; key: string; reason: string };
export type Listing<T> = { revision: number; records: Found<T>[]; corrupt: Corrupt[] };
export type RecordChange<T> =
  | { kind: 'all'; listing: Listing<T> }
  | { kind: 'set'; record: Found<T> }
  | { kind: 'gone'; id: string; revision: number }
  | { kind: 'corrupt'; corrupt: Corrupt }
  | { kind: 'live' }
  | { kind: 'stale'; reason: string };

export type Records<T> = {
  get(id: string, options?: CallOptions): Promise<Found<T> | undefined>;
  list(options?: CallOptions): Promise<Listing<T>>;
  /** refused (`etcd.exists`) when there is one already with another value; making the same twice is success */
  create(id: string, value: T, options?: CallOptions): Promise<Found<T>>;
  /** writes only over what was read (`found`), else `etcd.changed-meanwhile` */
  replace(found: Found<T>, value: T, options?: CallOptions): Promise<Found<T>>;
  /** reads, lets `change` decide, writes; again when someone else was faster. Undefined from `change`: leave it */
  update(
    id: string,
    change: (current: T | undefined) => T | undefined,
    options?: CallOptions,
  ): Promise<Found<T> | undefined>;
  remove(id: string, options?: CallOptions): Promise<void>;
  follow(options: { signal: AbortSignal }): AsyncGenerator<RecordChange<T>>;
};

type RecordsClient = Pick<EtcdClient, 'get' | 'range' | 'txn' | 'delete' | 'env' | 'caller' | 'status'>;

/** More rivals than this for one key is a bug of ours. */
const mostRivals = 20;

export function makeRecords<S extends z.ZodType>(
  client: RecordsClient,
  kind: RecordKind<S>,
): Records<z.output<S>> {
  type T = z.output<S>;
  const keyOf = (id: string) => `${kind.prefix}${id}`;
  const idOf = (key: string) => key.slice(kind.prefix.length);

  function read(kv: KeyValue): Found<T> | Corrupt {
    const id = idOf(kv.key);
    let json: unknown;
    try {
      json = JSON.parse(kv.value);
    } catch {
      return { id, key: kv.key, reason: 'it is not JSON' };
    }
    const parsed = kind.schema.safeParse(json);
    if (parsed.success)
      return { id, value: parsed.data, modRevision: kv.modRevision, createRevision: kv.createRevision };
    const issue = parsed.error.issues[0];
    return {
      id,
      key: kv.key,
      reason: `${issue?.path.join('.') || 'the value'}: ${issue?.message ?? 'invalid'}`,
    };
  }

  function readOrRefuse(kv: KeyValue): Found<T> {
    const one = read(kv);
    if ('value' in one) return one;
    throw new AppError({
      code: 'etcd.corrupt-record',
      family: 'unavailable',
      message: `The stored record of ${kind.name} at ${one.key} cannot be understood: ${one.reason}.`,
      remedy: 'Restore this key from a backup, or remove it.',
      retry: 'never',
      details: { key: one.key },
    });
  }

  function listing(revision: number, kvs: readonly KeyValue[]): Listing<T> {
    const all = kvs.map(read);
    return {
      revision,
      records: all.filter((one) => 'value' in one),
      corrupt: all.filter((one) => 'reason' in one),
    };
  }

  /** Writes if the key is still at `expected` (0: absent). Undefined: it is not. An unknown outcome is looked up. */
  async function writeAt(
    id: string,
    expected: number,
    value: T,
    options: CallOptions | undefined,
  ): Promise<Found<T> | undefined> {
    const key = keyOf(id);
    const text = JSON.stringify(kind.schema.parse(value));
    try {
      const result = await client.txn(
        { when: [{ key, modRevision: expected }], do: [{ put: key, value: text }, { get: key }] },
        options,
      );
      const [written] = result.gets;
      return result.succeeded && written !== undefined ? readOrRefuse(written) : undefined;
    } catch (error) {
      if (!(error instanceof AppError) || error.code !== 'etcd.outcome-unknown') throw error;
      const now = await client.get(key, options);
      if (now?.value === text && now.modRevision > expected) return readOrRefuse(now);
      if ((now?.modRevision ?? 0) === expected) throw error; // not applied so far, but it still may be
      return undefined;
    }
  }

  async function get(id: string, options?: CallOptions): Promise<Found<T> | undefined> {
    const kv = await client.get(keyOf(id), options);
    return kv === undefined ? undefined : readOrRefuse(kv);
  }

  function* changes(item: FollowItem): Generator<RecordChange<T>> {
    if (item.kind === 'snapshot') yield { kind: 'all', listing: listing(item.revision, item.kvs) };
    else if (item.kind === 'live') yield { kind: 'live' };
    else if (item.kind === 'stale') yield { kind: 'stale', reason: item.reason };
    else
      for (const event of item.events) {
        if (event.kind === 'delete') {
          yield { kind: 'gone', id: idOf(event.key), revision: event.revision };
          continue;
        }
        const one = read(event.kv);
        yield 'value' in one ? { kind: 'set', record: one } : { kind: 'corrupt', corrupt: one };
      }
  }

  return {
    get,
    async list(options) {
      const { revision, kvs } = await client.range(kind.prefix, options);
      return listing(revision, kvs);
    },
    async create(id, value, options) {
      const made = await writeAt(id, 0, value, options);
      if (made !== undefined) return made;
      const there = await get(id, options);
      if (there !== undefined && isDeepStrictEqual(there.value, kind.schema.parse(value))) return there;
      throw new AppError({
        code: 'etcd.exists',
        family: 'conflict',
        message: `A record of ${kind.name} with the id "${id}" exists already, and it is different.`,
      });
    },
    async replace(found, value, options) {
      const written = await writeAt(found.id, found.modRevision, value, options);
      if (written !== undefined) return written;
      throw new AppError({
        code: 'etcd.changed-meanwhile',
        family: 'conflict',
        message: `The record of ${kind.name} with the id "${found.id}" was changed by someone else meanwhile.`,
        remedy: 'Read it again and repeat the change.',
      });
    },
    async update(id, change, options) {
      for (let attempt = 0; attempt < mostRivals; attempt += 1) {
        const current = await get(id, options);
        const wanted = change(current?.value);
        if (wanted === undefined) return current;
        const written = await writeAt(id, current?.modRevision ?? 0, wanted, options);
        if (written !== undefined) return written;
      }
      throw new AppError({
        code: 'etcd.changed-meanwhile',
        family: 'conflict',
        message: `The record of ${kind.name} with the id "${id}" is being changed by others all the time.`,
        retry: 'later',
      });
    },
    async remove(id, options) {
      await client.delete(keyOf(id), options);
    },
    async *follow({ signal }) {
      for await (const item of follow(client, kind.prefix, { signal })) yield* changes(item);
    },
  };
}
