import { AppError } from '../contract/error.ts';
import type { EtcdClient } from './client.ts';
import { watch } from './watch.ts';
import type { KeyValue, WatchEvent } from './wire.ts';

/**
 * Everything under a prefix, now and from now on: first a `snapshot`, then `events`, and a new `snapshot` whenever the
 * track was lost (it replaces all that was told before). `stale` says that what was told may be old, until the next
 * item of another kind.
 */
export type FollowItem =
  | { kind: 'snapshot'; revision: number; kvs: KeyValue[] }
  | { kind: 'events'; revision: number; events: WatchEvent[] }
  | { kind: 'live' }
  | { kind: 'stale'; reason: string };

type FollowClient = Pick<EtcdClient, 'range' | 'env' | 'caller' | 'status'>;

export async function* follow(
  client: FollowClient,
  prefix: string,
  options: { signal: AbortSignal; probeEveryMs?: number },
): AsyncGenerator<FollowItem> {
  const { signal } = options;
  while (!signal.aborted) {
    let snapshot: Awaited<ReturnType<FollowClient['range']>>;
    try {
      snapshot = await client.range(prefix, { signal });
    } catch (error) {
      if (signal.aborted) return;
      if (!(error instanceof AppError)) throw error;
      yield { kind: 'stale', reason: error.message };
      await client.env.clock.sleep(500, signal).catch(() => undefined);
      continue;
    }
    yield { kind: 'snapshot', revision: snapshot.revision, kvs: snapshot.kvs };
    const changes = watch(client, {
      prefix,
      fromRevision: snapshot.revision + 1,
      clusterId: snapshot.clusterId,
      signal,
      ...(options.probeEveryMs === undefined ? {} : { probeEveryMs: options.probeEveryMs }),
    });
    for await (const item of changes) {
      if (item.kind === 'events') yield item;
      else if (item.kind === 'connected') yield { kind: 'live' };
      else yield { kind: 'stale', reason: item.reason };
    }
    // track lost: read again, but do not spin should the members disagree
    await client.env.clock.sleep(200, signal).catch(() => undefined);
  }
}
