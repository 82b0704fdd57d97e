import { AppError, asAppError } from '../../node/contract/error.ts';
import type { OpenJournal } from '../journal/journal.ts';
import type { Step } from '../plan/model.ts';
import { mayHeal, type StepContext } from '../steps/model.ts';
import { works } from '../steps/works.ts';
import type { FormationEnv } from './env.ts';

const tries = 3;
const waitMs = [1_000, 4_000];

export type RunOptions = {
  env: FormationEnv;
  open: OpenJournal;
  password: string | undefined;
  signal: AbortSignal;
  /** ends after this step */
  stopAfter?: string | undefined;
};

const contextOf = ({ env, open, password, signal }: RunOptions, step: Step): StepContext => ({
  env,
  open,
  password,
  signal,
  step,
  plan: open.journal().plan,
  detail: (text) => env.progress({ event: 'detail', id: step.id, text }),
});

/**
 * Goes through the steps that the journal does not hold as done. Each: note that it is begun; look whether it is already
 * so; do it; note that it is done. A crash between any two of these is mended by doing the same again. Throws the first
 * failure, after noting it.
 */
export async function runSteps(options: RunOptions): Promise<'formed' | 'stopped'> {
  const { env, open, signal } = options;
  const { steps } = open.journal().plan;
  const isDone = (step: Step) => open.journal().done.some((done) => done.step === step.id);
  env.progress({
    event: 'begin',
    steps: steps.length,
    done: steps.filter(isDone).length,
    secondsLeft: secondsLeft(open),
  });
  for (const [index, step] of steps.entries()) {
    if (isDone(step)) continue;
    signal.throwIfAborted();
    const tell = {
      event: 'step',
      id: step.id,
      title: step.title,
      number: index + 1,
      of: steps.length,
    } as const;
    env.progress({ ...tell, state: 'running', secondsLeft: secondsLeft(open) });
    const began = env.monotonic();
    await open.change({ begun: step.id, failure: undefined });
    await env.checkpoint(step.id, 'before');
    let how: 'done' | 'already';
    try {
      how = await runStep(contextOf(options, step));
    } catch (thrown) {
      if (signal.aborted) throw thrown;
      const error = asAppError(thrown, `doing "${step.title}"`);
      const at = env.now().toISOString();
      await open.change({ failure: { ...error.toBody().error, step: step.id, at } });
      env.progress({ ...tell, state: 'failed', seconds: since(env, began) });
      throw error;
    }
    await env.checkpoint(step.id, 'after');
    const seconds = since(env, began);
    await open.change({
      done: [...open.journal().done, { step: step.id, seconds, at: env.now().toISOString() }],
    });
    env.progress({ ...tell, state: how, seconds, secondsLeft: secondsLeft(open) });
    if (options.stopAfter === step.id) return 'stopped';
  }
  await open.change({ state: 'formed', endedAt: env.now().toISOString() });
  return 'formed';
}

const since = (env: FormationEnv, began: number): number => Math.round(env.monotonic() - began) / 1000;

async function runStep(context: StepContext): Promise<'done' | 'already'> {
  const work = works[context.step.kind];
  if ((await work.isDone?.(context)) === true) {
    await work.settle?.(context);
    return 'already';
  }
  for (let attempt = 0; ; attempt += 1) {
    try {
      await work.run(context);
      break;
    } catch (thrown) {
      // An answer that was lost is no failure if what was asked for is there.
      const pause = waitMs[attempt];
      if (!mayHeal(thrown) || pause === undefined || attempt + 1 >= tries) throw thrown;
      context.detail(`${thrown instanceof AppError ? thrown.message : ''} Trying again.`);
      await context.env.sleep(pause, context.signal);
      if ((await work.isDone?.(context)) === true) break;
    }
  }
  await work.settle?.(context);
  return 'done';
}

/** Estimates of what is left, by how quick this machine was so far. */
export function secondsLeft(open: OpenJournal): number {
  const { plan, done } = open.journal();
  const sum = (steps: readonly { seconds: number }[]) =>
    steps.reduce((total, step) => total + step.seconds, 0);
  const finished = new Set(done.map((each) => each.step));
  const expected = sum(plan.steps.filter((step) => finished.has(step.id)));
  const pace = expected < 5 ? 1 : Math.min(5, Math.max(0.3, sum(done) / expected));
  return Math.round(sum(plan.steps.filter((step) => !finished.has(step.id))) * pace);
}
