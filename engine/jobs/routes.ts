import { AppError } from '../../node/contract/error.ts';
import type { Some } from '../api/handler.ts';
import type { Jobs } from './runner.ts';

export function cursorNumber(after: string | undefined): number | undefined {
  if (after === undefined) return undefined;
  const number = Number(after);
  if (Number.isSafeInteger(number) && number > 0) return number;
  throw new AppError({
    code: 'page.wrong-cursor',
    family: 'invalid',
    message: 'This is not a place to continue a list from.',
    remedy: 'Take `next` of the page before, or start anew.',
  });
}

export const jobRoutes = (jobs: Jobs): Some<'listJobs' | 'getJob' | 'cancelJob'> => ({
  async listJobs({ query }) {
    const { items, total, last } = await jobs.list({
      before: cursorNumber(query.after),
      limit: query.limit,
      activeOnly: query.state === 'active',
    });
    const more = items.length === query.limit && last !== undefined;
    return { items, total, ...(more ? { next: String(last) } : {}) };
  },
  getJob: ({ params }) => jobs.get(params.id),
  cancelJob: ({ params }) => jobs.cancel(params.id),
});
