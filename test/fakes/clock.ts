import { setImmediate as turn } from 'node:timers/promises';
import type { Clock } from '../../node/clock/clock.ts';

/** A clock that goes only when told: sleepers wake in order, and what they do is let finish before the next one. */
export type FakeClock = { clock: Clock; advance(ms: number): Promise<void> };

/** Promise chains of what is under test are short; none of it waits for the real world. */
const turns = 5;

export function makeFakeClock(): FakeClock {
  let now = 0;
  const sleepers = new Set<{ at: number; wake: () => void }>();
  const settle = async () => {
    for (let index = 0; index < turns; index += 1) await turn();
  };
  return {
    clock: {
      now: () => now,
      sleep: (ms, signal) =>
        new Promise((resolve, reject) => {
          if (signal?.aborted) return reject(signal.reason);
          const over = () => {
            sleepers.delete(sleeper);
            signal?.removeEventListener('abort', aborted);
          };
          const sleeper = {
            at: now + Math.max(0, ms),
            wake: () => {
              over();
              resolve();
            },
          };
          const aborted = () => {
            over();
            reject(signal?.reason);
          };
          signal?.addEventListener('abort', aborted);
          sleepers.add(sleeper);
        }),
    },
    async advance(ms) {
      const end = now + ms;
      for (;;) {
        await settle();
        const next = [...sleepers].sort((a, b) => a.at - b.at).find((sleeper) => sleeper.at <= end);
        if (next === undefined) break;
        now = Math.max(now, next.at);
        next.wake();
      }
      now = end;
      await settle();
    },
  };
}
