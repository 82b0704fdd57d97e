/** What the fake's members share: one multi-version store with leases, as small as the client's tests need. */
export type StoredKey = {
  key: string;
  value: string;
  createRevision: number;
  modRevision: number;
  version: number;
  lease: string;
};
export type StoredEvent = { type: 'PUT' | 'DELETE'; revision: number; kv: StoredKey };

export type FakeStore = {
  readonly revision: number;
  readonly compacted: number;
  readonly leases: Map<string, number>;
  get(key: string): StoredKey | undefined;
  range(from: string, end: string | undefined): StoredKey[];
  put(key: string, value: string, lease: string): void;
  remove(from: string, end: string | undefined): number;
  /** several changes as one revision */
  atomically<T>(work: () => T): T;
  compact(revision: number): void;
  eventsSince(revision: number): StoredEvent[];
  onChange(listener: () => void): () => void;
};

/** keys are compared as base64-decoded bytes; latin1 keeps one character a byte */
const bytes = (base64: string): string => Buffer.from(base64, 'base64').toString('latin1');
export const inRange = (key: string, from: string, end: string | undefined): boolean => {
  if (end === undefined || end === '') return key === from;
  const all = bytes(end) === '\0';
  return bytes(key) >= bytes(from) && (all || bytes(key) < bytes(end));
};

export function makeFakeStore(): FakeStore {
  const keys = new Map<string, StoredKey>();
  const events: StoredEvent[] = [];
  const listeners = new Set<() => void>();
  const leases = new Map<string, number>();
  let revision = 1;
  let compacted = 0;
  let open = 0;
  let used = false;

  const step = () => {
    if (!used) revision += 1;
    used = true;
  };
  const atomically = <T>(work: () => T): T => {
    open += 1;
    try {
      return work();
    } finally {
      open -= 1;
      if (open === 0) {
        const changed = used;
        used = false;
        if (changed) for (const listener of listeners) listener();
      }
    }
  };

  return {
    get revision() {
      return revision;
    },
    get compacted() {
      return compacted;
    },
    leases,
    atomically,
    get: (key) => keys.get(key),
    range: (from, end) =>
      [...keys.values()]
        .filter((one) => inRange(one.key, from, end))
        .sort((a, b) => (bytes(a.key) < bytes(b.key) ? -1 : 1)),
    put: (key, value, lease) =>
      atomically(() => {
        step();
        const old = keys.get(key);
        const kv: StoredKey = {
          key,
          value,
          lease,
          createRevision: old?.createRevision ?? revision,
          modRevision: revision,
          version: (old?.version ?? 0) + 1,
        };
        keys.set(key, kv);
        events.push({ type: 'PUT', revision, kv });
      }),
    remove: (from, end) =>
      atomically(() => {
        const gone = [...keys.values()].filter((one) => inRange(one.key, from, end));
        if (gone.length > 0) step();
        for (const one of gone) {
          keys.delete(one.key);
          const kv = { ...one, value: '', createRevision: 0, version: 0, modRevision: revision };
          events.push({ type: 'DELETE', revision, kv });
        }
        return gone.length;
      }),
    compact(to) {
      compacted = Math.max(compacted, to);
    },
    eventsSince(from) {
      let at = events.length;
      while (at > 0 && (events[at - 1]?.revision ?? 0) >= from) at -= 1;
      return events.slice(at);
    },
    onChange(listener) {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
  };
}
