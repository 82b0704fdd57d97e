import { AppError } from '../../node/contract/error.ts';
import type { Job } from '../contract/jobs.ts';
import type { Context } from './env.ts';

const line = (job: Job): string => {
  const step = job.steps.find(({ state }) => state === 'running' || state === 'undoing');
  const left = job.secondsLeft === undefined ? '' : `, ${job.secondsLeft} s left`;
  return `${job.title}: ${Math.round(job.progress * 100)} % ${step?.title ?? job.state}${left}`;
};

/** Waits for a job's end, telling each step once; what failed is thrown with the reason and the remedy. */
export async function follow({ env, client, json, wait }: Context, jobId: string): Promise<void> {
  if (!wait) {
    env.out(json ? JSON.stringify({ jobId }) : `job ${jobId}`);
    return;
  }
  let told = '';
  for (;;) {
    const job = await client.call('getJob', { params: { id: jobId } }, { signal: env.signal });
    if (job.endedAt !== undefined) return finish(env, json, job);
    const step = job.steps.find(({ state }) => state === 'running')?.title ?? job.state;
    if (!json && step !== told) env.err(line(job));
    told = step;
    await env.sleep(200);
  }
}

function finish(env: Context['env'], json: boolean, job: Job): void {
  if (json) env.out(JSON.stringify(job));
  if (job.state === 'done') {
    if (!json) env.out(`${job.title}: done`);
    return;
  }
  throw new AppError({
    code: job.error?.code ?? `job.${job.state}`,
    family: job.error?.family ?? 'conflict',
    message: `${job.title} ${job.state === 'cancelled' ? 'was cancelled' : `${job.state}: ${job.error?.message ?? ''}`}`,
    ...(job.error?.remedy === undefined ? {} : { remedy: job.error.remedy }),
  });
}
