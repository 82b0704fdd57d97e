import type { z } from 'zod';
import type { JobId } from '../contract/common.ts';

/**
 * How a kind of job is declared. A job is a list of steps; each is an "ensure": doing it twice is doing it once, because
 * after a crash of the engine the step that was at work is done again. The first steps make the ids that later ones need
 * and return them as a patch of the job's memory, which is saved together with "done".
 */
export type StepContext<Input, Memory> = {
  jobId: JobId;
  user: string;
  input: Input;
  memory: Memory;
  /** fires on cancel, at the step's deadline, and when the engine stops; a step must end soon after */
  signal: AbortSignal;
  /** 0..1 of this step, undefined while unknown; the detail is shown to people */
  progress(fraction: number | undefined, detail: string): void;
};

export type Step<Input, Memory> = {
  name: string;
  title: string;
  /** what it usually takes, until measured; weighs the progress bar */
  seconds: number;
  deadlineMs: number;
  /** may be aborted at any moment while it runs */
  cancellable: boolean;
  /** once done it stays done: undoing what comes later ends here */
  fact?: true;
  /** otherwise skipped */
  when?(context: { input: Input; memory: Memory }): boolean;
  do(context: StepContext<Input, Memory>): Promise<Partial<Memory> | undefined>;
  /** takes back whatever `do` may have done, also when it ended halfway or was never begun */
  undo?(context: StepContext<Input, Memory>): Promise<void>;
};

export type JobKind<Input, Memory> = {
  kind: string;
  input: z.ZodType<Input>;
  /** every field optional: it fills as the steps go on */
  memory: z.ZodType<Memory>;
  steps: readonly Step<Input, Memory>[];
  /** the event that tells people, once done */
  told(context: { input: Input; memory: Memory }): { code: string; message: string };
};

/** A kind with its types checked and hidden, so that unlike kinds stand in one list. */
export type AnyJobKind = {
  kind: string;
  steps: readonly AnyStep[];
  told(input: unknown, memory: unknown): { code: string; message: string };
};
export type AnyStep = Pick<
  Step<unknown, unknown>,
  'name' | 'title' | 'seconds' | 'deadlineMs' | 'cancellable'
> & {
  fact: boolean;
  hasUndo: boolean;
  applies(input: unknown, memory: unknown): boolean;
  do(context: StepContext<unknown, unknown>): Promise<Record<string, unknown>>;
  undo(context: StepContext<unknown, unknown>): Promise<void>;
};

export function defineJob<Input, Memory extends object>(kind: JobKind<Input, Memory>): AnyJobKind {
  // JSON from the database: parsed again each time it is used.
  const typed = (context: StepContext<unknown, unknown>): StepContext<Input, Memory> => ({
    ...context,
    input: kind.input.parse(context.input),
    memory: kind.memory.parse(context.memory),
  });
  return {
    kind: kind.kind,
    told: (input, memory) => kind.told({ input: kind.input.parse(input), memory: kind.memory.parse(memory) }),
    steps: kind.steps.map((step) => ({
      name: step.name,
      title: step.title,
      seconds: step.seconds,
      deadlineMs: step.deadlineMs,
      cancellable: step.cancellable,
      fact: step.fact ?? false,
      hasUndo: step.undo !== undefined,
      applies: (input, memory) =>
        step.when?.({ input: kind.input.parse(input), memory: kind.memory.parse(memory) }) ?? true,
      do: async (context) => ({ ...(await step.do(typed(context))) }),
      undo: async (context) => step.undo?.(typed(context)),
    })),
  };
}
