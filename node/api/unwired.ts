import { AppError } from '../contract/error.ts';
import { nodeRoutes } from '../contract/routes.ts';
import type { NodeHandlers } from './handlers.ts';

/** For a route or stream whose room is not part of this program yet. */
export function unwired(what: string): () => never {
  return () => {
    throw new AppError({
      code: 'host.not-supported',
      family: 'unavailable',
      message: `This host's agent cannot ${what} yet.`,
      retry: 'never',
    });
  };
}

/** A handler for each route that says so; rooms replace them one by one. */
export function unwiredHandlers(): NodeHandlers {
  const names = Object.keys(nodeRoutes);
  // Every name of the table has a handler, which fits all of them because it never returns.
  return Object.fromEntries(
    names.map((name) => [name, unwired(`answer ${name}`)]),
  ) as unknown as NodeHandlers;
}
