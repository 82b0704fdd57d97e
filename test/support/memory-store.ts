import { changedMeanwhile } from '../../engine/cluster/etcd.ts';
import type { ClusterStore, StoreEntry, StoreNews } from '../../engine/cluster/port.ts';
import type { WorldEtcd } from '../fakes/etcd/world-etcd.ts';

const entriesUnder = (etcd: WorldEtcd, prefix: string): StoreEntry[] =>
  etcd.withPrefix(prefix).map(([key, { value, revision }]) => ({ key, value, revision }));

/** The engine's way to the store of simulated hosts, without a network between. */
export const memoryStore = (etcd: WorldEtcd): ClusterStore => ({
  get: async (key) => etcd.get(key),
  async read(keys) {
    const found = new Map<string, StoreEntry>();
    for (const key of keys) {
      const held = etcd.held(key);
      if (held !== undefined) found.set(key, { key, ...held });
    }
    return found;
  },
  range: async (prefix) => entriesUnder(etcd, prefix),
  put: async (key, value) => etcd.set(key, value),
  remove: async (key) => void etcd.delete(key),
  async commit(guards, writes) {
    if (!etcd.commit(guards, writes)) throw changedMeanwhile();
  },
  follow: (prefix, signal) => followed(etcd, prefix, signal),
  close: async () => {},
});

async function* followed(etcd: WorldEtcd, prefix: string, signal: AbortSignal): AsyncGenerator<StoreNews> {
  let wake = () => {};
  const off = etcd.onChange(() => wake());
  const stop = () => wake();
  signal.addEventListener('abort', stop);
  try {
    let told = new Map(entriesUnder(etcd, prefix).map((entry) => [entry.key, entry]));
    yield { kind: 'snapshot', entries: [...told.values()] };
    while (!signal.aborted) {
      const next = new Promise<void>((resolve) => {
        wake = resolve;
      });
      const now = new Map(entriesUnder(etcd, prefix).map((entry) => [entry.key, entry]));
      const changes = [
        ...[...now.values()]
          .filter(({ key, revision }) => told.get(key)?.revision !== revision)
          .map((entry) => ({ kind: 'put' as const, entry })),
        ...[...told.keys()].filter((key) => !now.has(key)).map((key) => ({ kind: 'remove' as const, key })),
      ];
      told = now;
      if (changes.length > 0) yield { kind: 'changes', changes };
      else await next;
    }
  } finally {
    off();
    signal.removeEventListener('abort', stop);
  }
}
