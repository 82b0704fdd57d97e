import type { PgDatabase, PgQueryResultHKT } from 'drizzle-orm/pg-core';
import { AppError } from '../../node/contract/error.ts';
import type { tables } from './schema.ts';

/** drizzle over any PostgreSQL driver: `postgres` in production, an embedded one for development and unit tests. */
export type Db = PgDatabase<PgQueryResultHKT, typeof tables>;

export type Database = {
  db: Db;
  /** resolves when the database answered; rejects after the deadline */
  ping(deadlineMs: number): Promise<void>;
  /** that no other engine uses this database; throws `database.other-engine` */
  claim(): Promise<void>;
  close(): Promise<void>;
};

const postgresCodeOf = (thrown: unknown): string | undefined => {
  let current: unknown = thrown;
  for (let depth = 0; depth < 5 && typeof current === 'object' && current !== null; depth += 1) {
    if ('code' in current && typeof current.code === 'string' && /^[0-9A-Z]{5}$/.test(current.code))
      return current.code;
    current = 'cause' in current ? current.cause : undefined;
  }
  return undefined;
};

export const isUniqueViolation = (thrown: unknown): boolean => postgresCodeOf(thrown) === '23505';

/** Wraps what the driver throws while `doing`; a violated rule of the schema is our bug, all else is the database. */
export function databaseError(thrown: unknown, doing: string): AppError {
  if (thrown instanceof AppError) return thrown;
  const code = postgresCodeOf(thrown);
  const ours = code !== undefined && /^(22|23|42)/.test(code);
  return new AppError({
    code: ours ? 'database.refused' : 'database.unavailable',
    family: ours ? 'bug' : 'unavailable',
    message: ours
      ? `The database refused what the engine wanted while ${doing}.`
      : `The engine's database did not answer while ${doing}.`,
    retry: 'later',
    cause: thrown,
  });
}
