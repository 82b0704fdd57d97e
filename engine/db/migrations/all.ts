import { start } from './0001-start.ts';

export type Migration = { number: number; name: string; sql: string };

/** In order, without gaps. TypeScript files, because the engine is bundled into one file. */
export const migrations: readonly Migration[] = [{ number: 1, name: 'start', sql: start }];
