import { AppError } from '../../node/contract/error.ts';
import type { Context } from './env.ts';

type Named = { id: string; name: string };

/** By id, or by its whole name; people type names. */
function pick<T extends Named>(items: readonly T[], wanted: string, what: string): T {
  const found = items.find(({ id, name }) => id === wanted || name.toLowerCase() === wanted.toLowerCase());
  if (found !== undefined) return found;
  throw new AppError({
    code: `${what}.missing`,
    family: 'missing',
    message: `There is no ${what} called ${wanted}.`,
  });
}

const search = (wanted: string) => ({
  query: { search: /^[0-9a-f-]{36}$/.test(wanted) ? '' : wanted, limit: 500 },
});

export const findVm = async ({ client }: Context, wanted: string) =>
  pick((await client.call('listVms', search(wanted))).items, wanted, 'vm');
export const findHost = async ({ client }: Context, wanted: string) =>
  pick((await client.call('listHosts', search(wanted))).items, wanted, 'host');
export const findImage = async ({ client }: Context, wanted: string) =>
  pick((await client.call('listImages', search(wanted))).items, wanted, 'image');

export function need(args: readonly string[], index: number, what: string): string {
  const value = args[index];
  if (value !== undefined) return value;
  throw new AppError({ code: 'cli.usage', family: 'invalid', message: `Say which ${what}.` });
}
