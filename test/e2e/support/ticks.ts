/** What the test guest counts to its serial console: `tick N UPTIME` four times a second. Tells gaps and pauses. */
export type TickCounter = {
  /** any part of the serial log; parts may overlap */
  read(log: string): void;
  highest(): number;
  /** numbers between the first and the last that were never written */
  missing(): number[];
  /** the longest time, by the guest's own clock, between two ticks that follow each other */
  longestPauseMs(): number;
};

export function makeTickCounter(): TickCounter {
  const uptimes = new Map<number, number>();
  const numbers = () => [...uptimes.keys()].sort((a, b) => a - b);
  return {
    read(log) {
      // Only whole lines: the last one may still be written.
      for (const [, number, uptime] of log.matchAll(/^tick (\d+) ([\d.]+)\s*\n/gm))
        uptimes.set(Number(number), Number(uptime));
    },
    highest: () => numbers().at(-1) ?? -1,
    missing() {
      const known = numbers();
      const gaps: number[] = [];
      for (let number = known[0] ?? 0; number < (known.at(-1) ?? 0); number += 1)
        if (!uptimes.has(number)) gaps.push(number);
      return gaps;
    },
    longestPauseMs() {
      const known = numbers();
      const pauses = known.slice(1).map((number, index) => {
        const before = known[index];
        return before === number - 1 ? (uptimes.get(number) ?? 0) - (uptimes.get(before) ?? 0) : 0;
      });
      return Math.round(Math.max(0, ...pauses) * 1000);
    },
  };
}
