import { setTimeout as delay } from 'node:timers/promises';

/**
 * Polls until `probe` gives something other than undefined or false, and returns it. Tests never sleep to wait.
 * After the deadline it throws with `reason` and the last error, so that the log says what was waited for.
 */
export async function eventually<T>(
  reason: string,
  probe: () => T | undefined | false | Promise<T | undefined | false>,
  options: { deadlineMs?: number; everyMs?: number; signal?: AbortSignal } = {},
): Promise<T> {
  const deadlineMs = options.deadlineMs ?? 10_000;
  const end = performance.now() + deadlineMs;
  let last: unknown;
  for (;;) {
    options.signal?.throwIfAborted();
    try {
      const value = await probe();
      if (value !== undefined && value !== false) return value;
      last = undefined;
    } catch (error) {
      last = error;
    }
    if (performance.now() >= end)
      throw new Error(
        `waited ${deadlineMs} ms for: ${reason}`,
        last === undefined ? undefined : { cause: last },
      );
    await delay(options.everyMs ?? 50);
  }
}
