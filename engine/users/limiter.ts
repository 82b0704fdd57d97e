import { AppError } from '../../node/contract/error.ts';

/**
 * Wrong passwords cost time: after a few, each next try must wait twice as long, per user name and per address. Counted
 * in memory; an engine that was restarted forgives.
 */
export type Limiter = {
  /** throws `session.too-many-tries`, which tells how long to wait */
  check(keys: readonly string[]): void;
  failed(keys: readonly string[]): void;
  succeeded(keys: readonly string[]): void;
};

const freeTries = 5;
const firstWaitMs = 2_000;
const longestWaitMs = 5 * 60_000;
const forgetMs = 30 * 60_000;
const mostKeys = 10_000;

type Count = { failures: number; lastAt: number };

const waitOf = ({ failures }: Count): number =>
  failures < freeTries ? 0 : Math.min(longestWaitMs, firstWaitMs * 2 ** (failures - freeTries));

export function makeLimiter(now: () => number): Limiter {
  const counts = new Map<string, Count>();
  const current = (key: string): Count | undefined => {
    const count = counts.get(key);
    if (count === undefined || now() - count.lastAt < forgetMs) return count;
    counts.delete(key);
    return undefined;
  };
  return {
    check(keys) {
      const waitMs = Math.max(
        0,
        ...keys.map((key) => {
          const count = current(key);
          return count === undefined ? 0 : count.lastAt + waitOf(count) - now();
        }),
      );
      if (waitMs <= 0) return;
      const seconds = Math.ceil(waitMs / 1000);
      throw new AppError({
        code: 'session.too-many-tries',
        family: 'denied',
        message: `There were too many wrong passwords. Try again in ${seconds} ${seconds === 1 ? 'second' : 'seconds'}.`,
        retry: 'later',
        details: { retryAfterSeconds: seconds },
      });
    },
    failed(keys) {
      for (const key of keys) {
        const failures = (current(key)?.failures ?? 0) + 1;
        // Re-inserted, so that the oldest are first when there are too many.
        counts.delete(key);
        counts.set(key, { failures, lastAt: now() });
      }
      while (counts.size > mostKeys) {
        const [oldest] = counts.keys();
        if (oldest === undefined) return;
        counts.delete(oldest);
      }
    },
    succeeded(keys) {
      for (const key of keys) counts.delete(key);
    },
  };
}
