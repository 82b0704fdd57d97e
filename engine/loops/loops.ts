import { AppError, errorChain } from '../../node/contract/error.ts';
import type { BackgroundLoop } from '../contract/engine.ts';
import type { Log } from '../log/log.ts';

/** Something that the engine does again and again; what it answers is shown to people. */
export type Loop = {
  name: string;
  purpose: string;
  periodMs: number;
  run(signal: AbortSignal): Promise<string>;
};

/** Runs each loop by itself: its next round begins one period after the last one ended. */
export class Loops {
  readonly #log: Log;
  readonly #now: () => Date;
  readonly #stop = new AbortController();
  readonly #status = new Map<string, BackgroundLoop>();
  readonly #rounds: Promise<void>[] = [];
  readonly #wake = new Map<string, () => void>();

  constructor(env: { log: Log; now(): Date }) {
    this.#log = env.log;
    this.#now = env.now;
  }

  start(loop: Loop): void {
    const status: BackgroundLoop = {
      name: loop.name,
      purpose: loop.purpose,
      periodMs: loop.periodMs,
      rounds: 0,
      lastResult: 'has not run yet',
    };
    this.#status.set(loop.name, status);
    this.#rounds.push(this.#run(loop, status));
  }

  /** Its next round begins now, not when its period is over. */
  wake(name: string): void {
    this.#wake.get(name)?.();
  }

  status = (): BackgroundLoop[] => [...this.#status.values()];

  async stop(): Promise<void> {
    this.#stop.abort();
    await Promise.allSettled(this.#rounds);
  }

  async #run(loop: Loop, status: BackgroundLoop): Promise<void> {
    const { signal } = this.#stop;
    while (!signal.aborted) {
      const begin = performance.now();
      const before = status.lastResult;
      try {
        status.lastResult = await loop.run(signal);
      } catch (error) {
        if (signal.aborted) return;
        status.lastResult = `failed: ${errorChain(error)}`;
        if (before !== status.lastResult) {
          const expected = error instanceof AppError && error.family === 'unavailable';
          if (expected)
            this.#log.warn(`the loop ${loop.name} could not do its round`, { why: error.message });
          else this.#log.error(`the loop ${loop.name} failed`, error);
        }
      }
      status.rounds += 1;
      status.lastRanAt = this.#now().toISOString();
      status.lastTookMs = Math.round((performance.now() - begin) * 10) / 10;
      await this.#pause(loop, signal);
    }
  }

  #pause({ name, periodMs }: Loop, signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const end = () => {
        clearTimeout(timer);
        signal.removeEventListener('abort', end);
        this.#wake.delete(name);
        resolve();
      };
      const timer = setTimeout(end, periodMs);
      this.#wake.set(name, end);
      signal.addEventListener('abort', end, { once: true });
      if (signal.aborted) end();
    });
  }
}
