/** For how long conditions have held without a break, from tick to tick. */
export class Since {
  readonly #before: ReadonlyMap<string, number>;
  readonly #nowMs: number;
  readonly next = new Map<string, number>();

  constructor(before: ReadonlyMap<string, number>, nowMs: number) {
    this.#before = before;
    this.#nowMs = nowMs;
  }

  /** Milliseconds for which it has held; undefined when it does not now. To be asked once a tick and key. */
  held(key: string, holds: boolean): number | undefined {
    if (!holds) return undefined;
    const at = this.#before.get(key) ?? this.#nowMs;
    this.next.set(key, at);
    return this.#nowMs - at;
  }
}
