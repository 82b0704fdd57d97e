import { type FakeStore, makeFakeStore } from './store.ts';

const encode = (text: string): string => Buffer.from(text).toString('base64');
const decode = (text: string): string => Buffer.from(text, 'base64').toString();
/** all keys */
const [first, last] = ['AA==', 'AA=='];

export type Held = { value: string; revision: number };
export type Guard = { key: string; revision: number };
export type Write = { key: string; value: string; lease?: string } | { key: string; remove: true };

/**
 * What the simulated hosts' etcd holds, as a map of texts; with revisions, guarded writes and leases. The gateway can
 * serve the same store over HTTP.
 */
export class WorldEtcd {
  readonly store: FakeStore = makeFakeStore();
  /** what the store holds, readable; brought up to date by each of its changes, whoever made it */
  readonly #held = new Map<string, Held>();
  #seen = 0;

  constructor() {
    this.store.onChange(() => {
      for (const { type, kv } of this.store.eventsSince(this.#seen + 1))
        if (type === 'DELETE') this.#held.delete(decode(kv.key));
        else this.#held.set(decode(kv.key), { value: decode(kv.value), revision: kv.modRevision });
      this.#seen = this.store.revision;
    });
  }

  get = (key: string): string | undefined => this.#held.get(key)?.value;
  has = (key: string): boolean => this.#held.has(key);
  held = (key: string): Held | undefined => this.#held.get(key);
  set(key: string, value: string): void {
    this.store.put(encode(key), encode(value), '0');
  }
  delete = (key: string): boolean => this.store.remove(encode(key), undefined) > 0;
  clear(): void {
    this.store.remove(first, last);
  }
  *[Symbol.iterator](): IterableIterator<[string, string]> {
    for (const [key, { value }] of this.#held) yield [key, value];
  }
  /** in no order */
  withPrefix = (prefix: string): [string, Held][] =>
    [...this.#held].filter(([key]) => key.startsWith(prefix));

  /** All or nothing; false when a guard does not hold. */
  commit(guards: readonly Guard[], writes: readonly Write[]): boolean {
    if (guards.some(({ key, revision }) => (this.held(key)?.revision ?? 0) !== revision)) return false;
    this.store.atomically(() => {
      for (const write of writes)
        if ('remove' in write) this.delete(write.key);
        else this.store.put(encode(write.key), encode(write.value), write.lease ?? '0');
    });
    return true;
  }

  /** What was on a lease goes with it. */
  endLease(lease: string): void {
    this.store.atomically(() => {
      for (const kv of this.store.range(first, last))
        if (kv.lease === lease) this.store.remove(kv.key, undefined);
    });
  }

  onChange = (listener: () => void): (() => void) => this.store.onChange(listener);
}
