import { AppError } from '../../node/contract/error.ts';

/** A page of a list that is in memory and short: hosts, volumes, images. The cursor is the last one's place. */
export function pageOfList<T>(
  all: readonly T[],
  query: { after?: string | undefined; limit: number; search?: string | undefined },
  nameOf: (item: T) => string,
): { items: T[]; total: number; next?: string } {
  const search = query.search?.toLowerCase() ?? '';
  const matches = all.filter((item) => nameOf(item).toLowerCase().includes(search));
  const start = query.after === undefined ? 0 : Number(query.after);
  if (!Number.isInteger(start) || start < 0)
    throw new AppError({
      code: 'page.wrong-cursor',
      family: 'invalid',
      message: 'This is not a place to continue a list from.',
      remedy: 'Take `next` of the page before, or start anew.',
    });
  const end = start + query.limit;
  return {
    items: matches.slice(start, end),
    total: matches.length,
    ...(end < matches.length ? { next: String(end) } : {}),
  };
}
