/** What the engine needs of the cluster's store (etcd on the hosts), whatever carries it. */
export type StoreEntry = {
  key: string;
  value: string;
  /** of its last change; who writes over it names this */
  revision: number;
};
/** Revision 0: the key is not there. */
export type StoreGuard = { key: string; revision: number };
export type StoreWrite = { key: string; value: string } | { key: string; remove: true };
export type StoreChange = { kind: 'put'; entry: StoreEntry } | { kind: 'remove'; key: string };

/**
 * What a follower is told: first all that is there, then each change. After a loss of the connection it is `stale` (what
 * was told may be old), and begins anew with a snapshot, which replaces all that was told before.
 */
export type StoreNews =
  | { kind: 'snapshot'; entries: StoreEntry[] }
  | { kind: 'changes'; changes: StoreChange[] }
  | { kind: 'stale'; reason: string };

export type ClusterStore = {
  get(key: string): Promise<string | undefined>;
  /** some keys as they are at one moment; those that are not there are missing */
  read(keys: readonly string[]): Promise<Map<string, StoreEntry>>;
  range(prefix: string): Promise<StoreEntry[]>;
  put(key: string, value: string): Promise<void>;
  remove(key: string): Promise<void>;
  /**
   * All of it or nothing; throws `etcd.changed-meanwhile` when a guard does not hold. May be sent twice when an answer is
   * lost, so its guards must not hold a second time: then it is refused although it was done, and who reads again sees it.
   */
  commit(guards: readonly StoreGuard[], writes: readonly StoreWrite[]): Promise<void>;
  /** ends only with the signal */
  follow(prefix: string, signal: AbortSignal): AsyncIterable<StoreNews>;
  close(): Promise<void>;
};
