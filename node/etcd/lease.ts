import type { Clock } from '../clock/clock.ts';
import { AppError } from '../contract/error.ts';
import type { EtcdClient } from './client.ts';

/**
 * Holds a lease: keeps it alive until released, and knows by its own monotonic clock when it can no longer be sure to
 * have it. `lost` fires then, at the latest: the time counts from when the last confirmed keep-alive was *sent*, so
 * that etcd, which counts from when it arrived, can never have ended the lease earlier than we believe.
 */
export type HeldLease = {
  readonly id: string;
  readonly ttlSeconds: number;
  readonly lost: AbortSignal;
  /** milliseconds for which it is certainly held from now */
  heldForMs(): number;
  release(): Promise<void>;
};

type LeaseClient = Pick<EtcdClient, 'leaseGrant' | 'leaseKeepAlive' | 'leaseRevoke'>;

export async function holdLease(
  env: { clock: Clock },
  client: LeaseClient,
  options: { ttlSeconds: number; signal?: AbortSignal },
): Promise<HeldLease> {
  const { clock } = env;
  let confirmedAt = clock.now();
  const granted = await client.leaseGrant(options.ttlSeconds, {
    ...(options.signal === undefined ? {} : { signal: options.signal }),
  });
  // etcd may grant more than was asked (its shortest TTL follows from its election timeout), never less
  const ttlMs = granted.ttlSeconds * 1000;
  const lost = new AbortController();
  const over = new AbortController();
  const heldForMs = () => (lost.signal.aborted ? 0 : Math.max(0, confirmedAt + ttlMs - clock.now()));
  const lose = (reason: string) => {
    over.abort();
    if (!lost.signal.aborted)
      lost.abort(
        new AppError({
          code: 'etcd.lease-lost',
          family: 'unavailable',
          message: `The lease was lost: ${reason}.`,
        }),
      );
  };

  const keep = async () => {
    let pause = ttlMs / 3;
    while (!over.signal.aborted) {
      await clock.sleep(pause, over.signal);
      const sentAt = clock.now();
      try {
        const { ttlSeconds } = await client.leaseKeepAlive(granted.id, {
          deadlineMs: Math.max(200, heldForMs()),
          // a frozen member must not cost the lease: there is time to ask all of them
          attemptMs: Math.max(200, ttlMs / 6),
          signal: over.signal,
        });
        if (ttlSeconds <= 0) return lose('the store has ended it');
        confirmedAt = Math.max(confirmedAt, sentAt);
        pause = ttlMs / 3;
      } catch (error) {
        if (over.signal.aborted) return;
        if (error instanceof AppError && error.code === 'etcd.not-found')
          return lose('the store has ended it');
        // anything else: tried again at once, until the time is up
        pause = 50;
      }
    }
  };
  const expire = async () => {
    while (!over.signal.aborted) {
      const left = heldForMs();
      if (left <= 0) return lose('it could not be renewed in time');
      await clock.sleep(left, over.signal);
    }
  };
  const quietly = (work: Promise<void>) =>
    work.catch((error: unknown) => {
      if (!over.signal.aborted) lose(`keeping it failed (${String(error)})`);
    });
  const working = Promise.all([quietly(keep()), quietly(expire())]);
  options.signal?.addEventListener('abort', () => lose('it was given up'), {
    once: true,
    signal: over.signal,
  });

  return {
    id: granted.id,
    ttlSeconds: granted.ttlSeconds,
    lost: lost.signal,
    heldForMs,
    async release() {
      over.abort();
      await working;
      await client.leaseRevoke(granted.id);
    },
  };
}
