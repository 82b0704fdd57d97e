import { stdout } from 'node:process';

export type Phase = { name: string; seconds: number; note: string };

/** Says what is going on and how long each thing took; the numbers are the product's as much as the lab's. */
export type Phases = {
  run<T>(name: string, body: () => Promise<T>, note?: (result: T) => string): Promise<T>;
  all(): Phase[];
};

export function startPhases(say: (line: string) => void = (line) => void stdout.write(`${line}\n`)): Phases {
  const done: Phase[] = [];
  return {
    run: async (name, body, note) => {
      const started = performance.now();
      const result = await body().catch((error: unknown) => {
        say(`${seconds(started)}  ${name}: failed`);
        throw error;
      });
      const phase = { name, seconds: (performance.now() - started) / 1000, note: note?.(result) ?? '' };
      done.push(phase);
      say(`${seconds(started)}  ${name}${phase.note === '' ? '' : `: ${phase.note}`}`);
      return result;
    },
    all: () => [...done],
  };
}

const seconds = (started: number): string =>
  `${((performance.now() - started) / 1000).toFixed(1).padStart(7)} s`;
