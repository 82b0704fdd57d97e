import { haKeys } from '../../node/contract/ha.ts';
import type { ClusterStore, StoreNews } from '../cluster/port.ts';
import type { Log } from '../log/log.ts';
import { type HaRecord, type HaView, type Kept, makeView, readRecord } from './view.ts';

export type HaMirrorEnv = {
  store: Pick<ClusterStore, 'follow'>;
  log: Log;
  /** keys that are new, other or gone; also told when the mirror becomes current or stale, then perhaps without keys */
  changed(keys: readonly string[]): void;
};

/**
 * What HA has in the cluster's store, kept in memory as it changes. While the store does not answer what is here may be
 * old: then nothing is decided by it.
 */
export class HaMirror {
  readonly #env: HaMirrorEnv;
  readonly #records = new Map<string, Kept<HaRecord>>();
  readonly #stop = new AbortController();
  readonly #first = Promise.withResolvers<void>();
  #view: HaView | undefined;
  #following: Promise<void> | undefined;
  #state: { current: boolean; reason: string } = {
    current: false,
    reason: 'The engine is connecting to the cluster’s store.',
  };

  constructor(env: HaMirrorEnv) {
    this.#env = env;
  }

  start(): void {
    this.#following ??= this.#follow();
  }

  async stop(): Promise<void> {
    this.#stop.abort();
    await this.#following;
  }

  state = (): { current: boolean; reason: string } => this.#state;

  /** Resolves when it was current for the first time, or the time is over. */
  async settled(withinMs: number): Promise<void> {
    const late = Promise.withResolvers<void>();
    const timer = setTimeout(late.resolve, withinMs);
    const stopped = () => late.resolve();
    this.#stop.signal.addEventListener('abort', stopped, { once: true });
    await Promise.race([this.#first.promise, late.promise]);
    clearTimeout(timer);
  }

  view = (): HaView => {
    this.#view ??= makeView(this.#records);
    return this.#view;
  };

  async #follow(): Promise<void> {
    try {
      for await (const news of this.#env.store.follow(haKeys.prefix, this.#stop.signal)) this.#take(news);
    } catch (thrown) {
      if (this.#stop.signal.aborted) return;
      this.#become(false, 'The engine does not follow the cluster’s store any more.');
      this.#env.log.error('following the records of HA ended', thrown);
    }
  }

  #take(news: StoreNews): void {
    switch (news.kind) {
      case 'stale':
        this.#become(false, news.reason);
        this.#env.changed([]);
        return;
      case 'snapshot': {
        const keys = new Set(this.#records.keys());
        this.#records.clear();
        for (const { key, value, revision } of news.entries) {
          keys.add(key);
          this.#put(key, value, revision);
        }
        this.#become(true, '');
        this.#tell([...keys]);
        this.#first.resolve();
        return;
      }
      case 'changes':
        for (const change of news.changes)
          if (change.kind === 'put') this.#put(change.entry.key, change.entry.value, change.entry.revision);
          else this.#records.delete(change.key);
        this.#tell(news.changes.map((change) => (change.kind === 'put' ? change.entry.key : change.key)));
    }
  }

  #put(key: string, text: string, revision: number): void {
    const value = readRecord(key, text);
    if (value === undefined) return;
    if (value.kind === 'unreadable' && this.#records.get(key)?.value.kind !== 'unreadable')
      this.#env.log.error(`a record of HA cannot be read: ${key}`, value.reason);
    this.#records.set(key, { value, revision });
  }

  #tell(keys: readonly string[]): void {
    this.#view = undefined;
    this.#env.changed(keys);
  }

  #become(current: boolean, reason: string): void {
    if (this.#state.current !== current)
      this.#env.log.info(`HA’s records: ${current ? 'stale -> current' : `current -> stale (${reason})`}`);
    this.#state = { current, reason };
  }
}
