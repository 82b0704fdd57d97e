import { AppError, asAppError } from '../../node/contract/error.ts';
import { type OpenJournal, removeJournal } from '../journal/journal.ts';
import { pointOfNoReturn } from '../plan/steps.ts';
import { isDeclared } from '../steps/declare.ts';
import type { StepContext } from '../steps/model.ts';
import { works } from '../steps/works.ts';
import type { FormationEnv } from './env.ts';

/**
 * Takes back what was begun, the last first, until nothing of the formation is left. Refused once the cluster was
 * declared: whether it was, the cluster store says, for the journal may be one step behind. Resumable like the steps.
 */
export async function undoSteps(options: {
  env: FormationEnv;
  open: OpenJournal;
  signal: AbortSignal;
}): Promise<void> {
  const { env, open, signal } = options;
  const { plan, begun, done, undone, state } = open.journal();
  const contextFor = (id: string): StepContext => {
    const step = plan.steps.find((each) => each.id === id);
    if (step === undefined) throw new Error(`no step ${id}`);
    return {
      env,
      open,
      signal,
      plan,
      step,
      password: undefined,
      detail: (text) => env.progress({ event: 'detail', id, text }),
    };
  };
  const touched = plan.steps.filter(
    (step) => step.id === begun || done.some((each) => each.step === step.id),
  );
  const declare = plan.steps.find((step) => step.kind === pointOfNoReturn);
  // An undo that was interrupted had looked already, and may have stopped the store since.
  if (state !== 'undoing' && declare !== undefined && touched.includes(declare)) {
    const isFinal =
      done.some((each) => each.step === declare.id) || (await isDeclared(contextFor(declare.id)));
    if (isFinal) throw final(plan.cluster.name);
  }
  await open.change({ state: 'undoing' });
  const left = touched.filter((step) => !undone.includes(step.id)).reverse();
  for (const [index, step] of left.entries()) {
    const tell = {
      event: 'step',
      id: step.id,
      title: step.title,
      number: index + 1,
      of: left.length,
    } as const;
    const began = env.monotonic();
    try {
      await works[step.kind].undo?.(contextFor(step.id));
    } catch (thrown) {
      const error = asAppError(thrown, `taking back "${step.title}"`);
      const at = env.now().toISOString();
      await open.change({ failure: { ...error.toBody().error, step: step.id, at } });
      throw error;
    }
    await open.change({ undone: [...open.journal().undone, step.id], failure: undefined });
    env.progress({ ...tell, state: 'undone', seconds: Math.round(env.monotonic() - began) / 1000 });
  }
  await removeJournal(env.directory);
}

const final = (name: string): AppError =>
  new AppError({
    code: 'formation.final',
    family: 'conflict',
    message: `The cluster ${name} was declared formed, so its hosts are joined and the formation cannot be undone.`,
    remedy: 'Run the formation again to finish it; to start over, install the hosts anew.',
  });
