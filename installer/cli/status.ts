import type { Journal } from '../journal/model.ts';
import { addressOf } from '../net/ipv4.ts';
import { duration } from '../plan/print.ts';

export type Status = { text: string; value: Record<string, unknown> };

const seconds = (journal: Journal): number => journal.done.reduce((sum, step) => sum + step.seconds, 0);

/** How far a formation is, in words and as a value. `running`: a process is at work on it now. */
export function statusOf(journal: Journal | undefined, running: boolean): Status {
  if (journal === undefined)
    return {
      text: running ? 'A formation begins on this host.' : 'No formation was begun on this host.',
      value: { state: 'none', running },
    };
  const { plan, done, undone, failure, state } = journal;
  const current = plan.steps.find((step) => !done.some((each) => each.step === step.id));
  const at = addressOf(plan.engine.address);
  const value = {
    state,
    running,
    cluster: plan.cluster,
    engine: at,
    startedAt: journal.startedAt,
    endedAt: journal.endedAt,
    steps: plan.steps.length,
    done: done.length,
    current: state === 'forming' ? current?.id : undefined,
    failure,
    hosts: plan.hosts.map(({ id, name, address, storageAddress, role }) => ({
      id,
      name,
      address,
      storageAddress,
      role,
    })),
    times: done.map(({ step, seconds: took }) => ({ step, seconds: took })),
  };
  const failed = failure === undefined ? [] : [`It stopped there: ${failure.message}`, failure.remedy ?? ''];
  const lines: Record<Journal['state'], string[]> = {
    formed: [
      `The cluster ${plan.cluster.name} is formed; its page is at https://${at}/`,
      `It took ${duration(seconds(journal))} of work in ${plan.steps.length} steps.`,
    ],
    forming: [
      `The cluster ${plan.cluster.name} is being formed: ${done.length} of ${plan.steps.length} steps are done.`,
      ...(current === undefined ? [] : [`${running ? 'Now' : 'Next'}: ${current.title}`]),
      ...failed,
      ...(running
        ? []
        : ['Go on with "trefoil-installer form", or take it back with "trefoil-installer undo".']),
    ],
    undoing: [
      `The formation of ${plan.cluster.name} is being taken back: ${undone.length} steps are undone.`,
      ...failed,
      ...(running ? [] : ['Go on with "trefoil-installer undo".']),
    ],
  };
  return { text: lines[state].filter((line) => line !== '').join('\n'), value };
}
