import type { Job } from '../../engine/contract/jobs.ts';
import type { App } from '../state/app.svelte.ts';

/** Asks for it; that it is being undone is then shown as everything else, and its end is told. */
export async function cancelJob(app: App, job: Job): Promise<void> {
  try {
    app.live.awaitJob(job.id);
    app.live.take({ kind: 'job', job: await app.api.call('cancelJob', { params: { id: job.id } }) });
  } catch (error) {
    app.toasts.error(error);
  }
}
