import { isIPv6 } from 'node:net';
import { AppError } from '../../node/contract/error.ts';

/**
 * Wrong passwords cost time: after a few, each next try must wait twice as long, per user name and per network. A name
 * that was logged in from a network before has a count of its own there: strangers elsewhere cannot lock its owner out,
 * and a neighbour's own login does not wash off wrong tries for it. Counted in memory; an engine that was restarted forgives.
 */
export type Try = { name: string; address: string };
export type Limiter = {
  /** throws `session.too-many-tries`, which tells how long to wait */
  check(by: Try): void;
  failed(by: Try): void;
  succeeded(by: Try): void;
};

const freeTries = 5;
const firstWaitMs = 2_000;
const longestWaitMs = 5 * 60_000;
const forgetMs = 30 * 60_000;
const mostKeys = 10_000;
const mostKnown = 1_000;

type Count = { failures: number; lastAt: number };

const waitOf = ({ failures }: Count): number =>
  failures < freeTries ? 0 : Math.min(longestWaitMs, firstWaitMs * 2 ** (failures - freeTries));

/**
 * `2001:db8:0:7::1` -> `2001:db8:0:7`: whoever has one address of such a network has all of them. `::ffff:10.0.0.1` is
 * the IPv4 address behind it.
 */
export function networkOf(address: string): string {
  const plain = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address)?.[1] ?? address;
  if (!isIPv6(plain)) return plain;
  const [head = '', tail] = plain.replace(/%.*$/, '').split('::');
  const before = head === '' ? [] : head.split(':');
  const after = tail === undefined || tail === '' ? [] : tail.split(':');
  const zeros = tail === undefined ? 0 : 8 - before.length - after.length;
  return [...before, ...Array.from({ length: zeros }, () => '0'), ...after].slice(0, 4).join(':');
}

export function makeLimiter(now: () => number): Limiter {
  const counts = new Map<string, Count>();
  const known = new Set<string>();
  const pairOf = ({ name, address }: Try) => `${name.toLowerCase()} ${networkOf(address)}`;
  const keysOf = (by: Try): string[] => [
    `network ${networkOf(by.address)}`,
    known.has(pairOf(by)) ? `known ${pairOf(by)}` : `name ${by.name.toLowerCase()}`,
  ];
  const current = (key: string): Count | undefined => {
    const count = counts.get(key);
    if (count === undefined || now() - count.lastAt < forgetMs) return count;
    counts.delete(key);
    return undefined;
  };
  return {
    check(by) {
      const waitMs = Math.max(
        0,
        ...keysOf(by).map((key) => {
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
    failed(by) {
      for (const key of keysOf(by)) {
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
    succeeded(by) {
      for (const key of keysOf(by)) counts.delete(key);
      known.delete(pairOf(by));
      known.add(pairOf(by));
      const [oldest] = known;
      if (known.size > mostKnown && oldest !== undefined) known.delete(oldest);
    },
  };
}
