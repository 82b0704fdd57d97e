import { createHash } from 'node:crypto';
import { sql } from 'drizzle-orm';
import { AppError } from '../../node/contract/error.ts';
import type { Log } from '../log/log.ts';
import type { Db } from './database.ts';
import { migrations as allMigrations, type Migration } from './migrations/all.ts';
import { schemaMigrations } from './schema.ts';

/** Any number that no other program of this database uses. */
const migrationLock = 7_243_001;

const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex');

function refuse(message: string): AppError {
  return new AppError({
    code: 'database.wrong-schema',
    family: 'conflict',
    message,
    remedy:
      'Start the engine in the version that last used this database, or restore a backup that fits this version.',
  });
}

/**
 * Brings the database to this program's schema: all or nothing, one engine at a time. Refuses a database that a newer
 * engine has changed, or whose history differs from ours.
 */
export async function migrate(
  db: Db,
  log: Log,
  migrations: readonly Migration[] = allMigrations,
): Promise<number> {
  return db.transaction(async (tx) => {
    await tx.execute(sql`SELECT pg_advisory_xact_lock(${migrationLock})`);
    await tx.execute(sql`CREATE TABLE IF NOT EXISTS schema_migrations (
      number integer PRIMARY KEY,
      name text NOT NULL,
      sha256 text NOT NULL,
      applied_at timestamptz NOT NULL
    )`);
    const done = await tx.select().from(schemaMigrations).orderBy(schemaMigrations.number);
    for (const [index, row] of done.entries()) {
      const ours = migrations[index];
      if (ours === undefined)
        throw refuse(`The database was changed by a newer engine (migration ${row.number}, ${row.name}).`);
      if (ours.number !== row.number || sha256(ours.sql) !== row.sha256)
        throw refuse(`Migration ${row.number} (${row.name}) of the database is not the one of this engine.`);
    }
    const missing = migrations.slice(done.length);
    for (const { number, name, sql: text } of missing) {
      for (const statement of statements(text)) await tx.execute(sql.raw(statement));
      await tx.insert(schemaMigrations).values({ number, name, sha256: sha256(text), appliedAt: new Date() });
      log.info(`database migrated: ${name}`, { migration: number });
    }
    return missing.length;
  });
}

/** One statement a call, as the extended protocol wants it: ours end with `;` at the end of a line. */
const statements = (text: string): string[] =>
  text
    .split(/;\s*$/m)
    .map((statement) => statement.trim())
    .filter((statement) => statement !== '');
