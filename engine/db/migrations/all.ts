import { start } from './0001-start.ts';
import { ha } from './0002-ha.ts';

export type Migration = { number: number; name: string; sql: string };

/** In order, without gaps. TypeScript files, because the engine is bundled into one file. */
export const migrations: readonly Migration[] = [
  { number: 1, name: 'start', sql: start },
  { number: 2, name: 'ha', sql: ha },
];
