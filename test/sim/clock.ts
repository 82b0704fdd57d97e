import { EventQueue } from './queue.ts';

/** The one true time of a simulated cluster, and what is to happen. */
export class SimClock {
  readonly #queue = new EventQueue();
  nowMs = 0;

  at(atMs: number, run: () => void): void {
    this.#queue.add(atMs, run);
  }

  in(ms: number, run: () => void): void {
    this.#queue.add(this.nowMs + ms, run);
  }

  every(ms: number, run: () => void): void {
    this.in(ms, () => {
      run();
      this.every(ms, run);
    });
  }

  /** Runs what is due until then. */
  runUntil(untilMs: number): void {
    for (let next = this.#queue.nextMs; next !== undefined && next <= untilMs; next = this.#queue.nextMs) {
      const event = this.#queue.take();
      if (event === undefined) break;
      this.nowMs = event.atMs;
      event.run();
    }
    this.nowMs = untilMs;
  }
}
