import type { Clock } from '../../clock/clock.ts';
import { AppError } from '../../contract/error.ts';
import { etcdKeys } from '../../contract/etcd.ts';
import { haKeys } from '../../contract/ha.ts';
import type { EtcdClient } from '../../etcd/client.ts';
import { follow } from '../../etcd/follow.ts';
import type { Log } from '../../log/log.ts';
import type { Guard, Write } from '../model.ts';
import { makePicture, type Picture } from './picture.ts';

/**
 * The agent's hold on the store: a lease that its report and its leadership are on, the picture of all records, and
 * transactions. `contactMs` is when the keep-alive was *sent* that etcd's majority confirmed last.
 */
export type HaStore = {
  readonly picture: Picture;
  contactMs(): number | undefined;
  /** true: done. False: something was not as `guards` say, or it is not known whether it was done: look again */
  commit(guards: readonly Guard[], writes: readonly Write[]): Promise<boolean>;
  /** asks the majority now, not what this host has heard */
  isAt(key: string, revision: number): Promise<boolean>;
  /** the newest words of the store have come */
  onChange(listener: () => void): void;
  /** `letGo`: the lease ends at once; else it lives on for a new agent to come back in time */
  close(how: { letGo: boolean }): Promise<void>;
};

type StoreEnv = {
  client: EtcdClient;
  clock: Clock;
  log: Log;
  leaseMs: number;
  randomKey(): string;
};

const commitMs = 2_500;
const attemptMs = 600;
/** A watch tells of a change within milliseconds; one that does not must not hold up everything. */
const seenMs = 1_000;
/** An upper limit for one note's worth of waiting; a lease lives three times as long as the pause between keep-alives. */
const keepAlivesPerLease = 4;

export function openStore(env: StoreEnv): HaStore {
  const { client, clock, log } = env;
  const stopping = new AbortController();
  const { signal } = stopping;
  const picture = makePicture();
  const listeners = new Set<() => void>();
  let lease: string | undefined;
  let contactMs: number | undefined;
  /** of the newest word of the store that is in the picture */
  let revision = 0;
  const changed = () => {
    for (const listener of listeners) listener();
  };

  const keepAlive = async (): Promise<void> => {
    const sentMs = clock.now();
    const call = { deadlineMs: env.leaseMs, attemptMs, signal };
    if (lease !== undefined) {
      const { ttlSeconds } = await client.leaseKeepAlive(lease, call);
      if (ttlSeconds > 0) {
        contactMs = sentMs;
        return;
      }
      log.warn('the lease was lost: it had ended in the store', { lease });
      lease = undefined;
    }
    lease = (await client.leaseGrant(Math.ceil(env.leaseMs / 1000), call)).id;
    contactMs = sentMs;
    changed();
  };
  const keeping = (async () => {
    let failing = false;
    while (!signal.aborted) {
      try {
        await keepAlive();
        if (failing) log.info('the store answers again');
        failing = false;
        await clock.sleep(env.leaseMs / keepAlivesPerLease, signal).catch(() => {});
      } catch (error) {
        if (signal.aborted) return;
        if (error instanceof AppError && error.code === 'etcd.not-found') lease = undefined;
        if (!failing) log.warn('the store does not answer', { why: String(error) });
        failing = true;
        await clock.sleep(100, signal).catch(() => {});
      }
    }
  })();

  /** The first agent makes it; all others find it. */
  const makeProbeKey = async (): Promise<void> => {
    await client
      .txn(
        {
          when: [{ key: haKeys.probeKey, modRevision: 0 }],
          do: [{ put: haKeys.probeKey, value: env.randomKey() }],
        },
        { deadlineMs: commitMs, signal },
      )
      .catch((error) => log.warn('no key for probes yet', { why: String(error) }));
  };

  const following = (async () => {
    for await (const item of follow(client, etcdKeys.prefix, { signal })) {
      if (item.kind === 'snapshot') picture.replace(item.kvs);
      else if (item.kind === 'events') picture.apply(item.events);
      else continue;
      revision = item.revision;
      if (item.kind === 'snapshot' && picture.probeKey() === undefined) void makeProbeKey();
      changed();
    }
  })().catch((error: unknown) => {
    if (!signal.aborted) log.error('following the store ended', error);
  });

  return {
    picture,
    contactMs: () => contactMs,
    onChange: (listener) => void listeners.add(listener),
    async commit(guards, writes) {
      const needsLease = writes.some((write) => 'onLease' in write && write.onLease === true);
      if (needsLease && lease === undefined) return false;
      try {
        const done = await client.txn(
          {
            when: guards.map(({ key, revision }) => ({ key, modRevision: revision })),
            do: writes.map((write) =>
              'remove' in write
                ? { delete: write.key }
                : {
                    put: write.key,
                    value: JSON.stringify(write.value),
                    ...(write.onLease === true && lease !== undefined ? { lease } : {}),
                  },
            ),
          },
          { deadlineMs: commitMs, signal },
        );
        // Under way until this host sees it: what it decides next rests on it.
        const end = clock.now() + seenMs;
        while (done.succeeded && revision < done.revision && clock.now() < end)
          await clock.sleep(5, signal).catch(() => {});
        return done.succeeded;
      } catch (error) {
        if (signal.aborted) return false;
        // Not known is not done: the picture tells, and it is wanted again until it is seen.
        if (!(error instanceof AppError)) throw error;
        if (error.code === 'etcd.not-found') lease = undefined;
        log.warn('a change of the store was not confirmed', { why: error.message });
        return false;
      }
    },
    async isAt(key, revision) {
      const found = await client.get(key, { deadlineMs: commitMs, attemptMs, signal });
      return (found?.modRevision ?? 0) === revision;
    },
    async close({ letGo }) {
      const held = letGo ? lease : undefined;
      stopping.abort(new Error('the agent stops'));
      await Promise.allSettled([keeping, following]);
      if (held !== undefined) await client.leaseRevoke(held, { deadlineMs: 1_000 }).catch(() => {});
      await client.close();
    },
  };
}
