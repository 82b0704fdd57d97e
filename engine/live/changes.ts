/**
 * Waiting for something that the engine is told about: the probe is asked at once, at each notice of its key, and now and
 * then besides, in case a notice was missed.
 */
export class Changes {
  readonly #waiting = new Map<string, Set<() => void>>();

  notify(key: string): void {
    for (const wake of this.#waiting.get(key) ?? []) wake();
  }

  /** Rejects with the signal's reason when it fires first. */
  async until<T>(
    key: string,
    probe: () => T | undefined | Promise<T | undefined>,
    signal: AbortSignal,
    everyMs = 1_000,
  ): Promise<T> {
    for (;;) {
      signal.throwIfAborted();
      // Listening begins before the probe, so that what happens meanwhile is not missed.
      const next = this.#next(key, signal, everyMs);
      try {
        const found = await probe();
        if (found !== undefined) return found;
        await next.happened;
      } finally {
        next.forget();
      }
    }
  }

  #next(key: string, signal: AbortSignal, everyMs: number) {
    const { promise, resolve } = Promise.withResolvers<void>();
    const waiting = this.#waiting.get(key) ?? new Set();
    this.#waiting.set(key, waiting);
    waiting.add(resolve);
    const timer = setTimeout(resolve, everyMs);
    const abort = () => resolve();
    signal.addEventListener('abort', abort, { once: true });
    return {
      happened: promise,
      forget: () => {
        clearTimeout(timer);
        signal.removeEventListener('abort', abort);
        waiting.delete(resolve);
        if (waiting.size === 0 && this.#waiting.get(key) === waiting) this.#waiting.delete(key);
      },
    };
  }
}
