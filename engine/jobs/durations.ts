import type { AnyJobKind } from './kind.ts';
import type { Expect, JobRecord } from './model.ts';

/** How long each step takes here: as declared, then as seen, newer jobs weighing more. */
export class Durations {
  readonly #expected = new Map<string, number>();

  constructor(kinds: readonly AnyJobKind[]) {
    for (const { kind, steps } of kinds)
      for (const step of steps) this.#expected.set(`${kind} ${step.name}`, step.seconds * 1000);
  }

  learn(record: JobRecord): void {
    if (record.state !== 'done') return;
    for (const { name, tookMs } of record.steps) {
      const key = `${record.kind} ${name}`;
      const before = this.#expected.get(key);
      if (tookMs !== undefined && before !== undefined)
        this.#expected.set(key, Math.max(1, before * 0.7 + tookMs * 0.3));
    }
  }

  readonly expect: Expect = (kind, step) => this.#expected.get(`${kind} ${step}`) ?? 1000;
}
