import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { AppError } from '../contract/error.ts';
import { removeFileDurably, writeFileAtomic } from '../files/atomic.ts';
import { brickRecordSchema } from './brick-decide.ts';
import type { BrickRecords } from './bricks.ts';

async function filesIn(folder: string): Promise<string[]> {
  try {
    return await readdir(folder);
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return [];
    throw error;
  }
}

/** One JSON file a brick. One that cannot be read stops all changes: we would not know which disk is taken. */
export function fileRecords(folder: string): BrickRecords {
  return {
    async all() {
      const names = (await filesIn(folder)).filter((name) => name.endsWith('.json') && !name.startsWith('.'));
      return Promise.all(
        names.sort().map(async (name) => {
          try {
            return brickRecordSchema.parse(JSON.parse(await readFile(join(folder, name), 'utf8')));
          } catch (error) {
            throw new AppError({
              code: 'brick.record-unreadable',
              family: 'unavailable',
              message: `The record of the brick place "${name.replace(/\.json$/, '')}" on this host cannot be read.`,
              remedy: 'Restore the file from a backup, or reinstall the host.',
              retry: 'never',
              cause: error,
            });
          }
        }),
      );
    },
    put: (record) =>
      writeFileAtomic(join(folder, `${record.name}.json`), `${JSON.stringify(record, undefined, 2)}\n`),
    remove: (name) => removeFileDurably(join(folder, `${name}.json`)),
  };
}
