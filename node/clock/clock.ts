import { setTimeout as delay } from 'node:timers/promises';

/** Time as a port: monotonic milliseconds and waiting. Never wall-clock: that one jumps. */
export type Clock = {
  now(): number;
  /** rejects with the signal's reason when it fires first */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
};

export const systemClock: Clock = {
  now: () => performance.now(),
  async sleep(ms, signal) {
    signal?.throwIfAborted();
    try {
      await delay(ms, undefined, signal === undefined ? {} : { signal });
    } catch (error) {
      // Node rejects with an AbortError of its own; callers want the reason that was given.
      signal?.throwIfAborted();
      throw error;
    }
  },
};
