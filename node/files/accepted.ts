import { z } from 'zod';
import { AppError } from '../contract/error.ts';
import { readIfThere, removeFileDurably, writeFileAtomic } from './atomic.ts';

/**
 * What this host was told last, one JSON file for each thing: `{generation, value}`. It is on disk before the answer to
 * the PUT, so that after a crash or a boot the agent brings about what it had accepted.
 */
export type Accepted<T> = {
  get(): Promise<{ generation: number; value: T } | undefined>;
  /** refuses what is older than what was accepted; the same again is fine */
  accept(generation: number, value: T): Promise<void>;
  forget(): Promise<void>;
};

export function accepted<S extends z.ZodType>(path: string, schema: S, what: string): Accepted<z.output<S>> {
  const fileSchema = z.object({ generation: z.number().int(), value: schema });
  const get = async () => {
    const text = await readIfThere(path);
    if (text === undefined) return undefined;
    try {
      // zod loses the tie between a generic schema and its output; the parse has just made it true.
      return fileSchema.parse(JSON.parse(text)) as { generation: number; value: z.output<S> };
    } catch (error) {
      throw new AppError({
        code: 'host.damaged-state',
        family: 'bug',
        message: `What this host was told about ${what} cannot be read any more.`,
        remedy: `Remove ${path} and give the settings again.`,
        retry: 'never',
        cause: error,
      });
    }
  };
  return {
    get,
    accept: async (generation, value) => {
      const before = await get();
      if (before !== undefined && generation < before.generation)
        throw new AppError({
          code: 'host.outdated',
          family: 'conflict',
          message: `This host was already told something newer about ${what}.`,
          details: { generation: before.generation },
        });
      await writeFileAtomic(path, JSON.stringify({ generation, value }, null, 2));
    },
    forget: async () => {
      if ((await readIfThere(path)) !== undefined) await removeFileDurably(path);
    },
  };
}
