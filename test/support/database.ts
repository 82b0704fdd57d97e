import { createHash, randomUUID } from 'node:crypto';
import { mkdirSync, openAsBlob, renameSync, writeFileSync } from 'node:fs';
import { PGlite } from '@electric-sql/pglite';
import { sql } from 'drizzle-orm';
import { getTableConfig } from 'drizzle-orm/pg-core';
import { drizzle } from 'drizzle-orm/pglite';
import type { Database } from '../../engine/db/database.ts';
import { migrate } from '../../engine/db/migrate.ts';
import { migrations } from '../../engine/db/migrations/all.ts';
import { tables } from '../../engine/db/schema.ts';
import { silentLog } from '../../engine/log/log.ts';

const wrap = (lite: PGlite): Database => ({
  db: drizzle(lite, { schema: tables }),
  ping: async () => void (await lite.query('SELECT 1')),
  claim: async () => {},
  close: () => lite.close(),
});

/** PostgreSQL inside this process: no server, no root. One connection, so statements run one after the other. */
export const openEmbedded = async (directory?: string): Promise<Database> =>
  wrap(await (directory === undefined ? PGlite.create() : PGlite.create(directory)));

/**
 * An embedded database with the engine's schema. Making one takes seconds, loading a copy half a second: the first
 * test of a schema leaves a copy in .cache/.
 */
export async function testDatabase(): Promise<Database> {
  const version = createHash('sha256').update(JSON.stringify(migrations)).digest('hex').slice(0, 16);
  const cache = `.cache/embedded-small-${version}.tar`;
  try {
    return wrap(await PGlite.create({ loadDataDir: await openAsBlob(cache) }));
  } catch {
    // no copy yet, or one that another process is about to replace
  }
  const lite = await PGlite.create();
  const database = wrap(lite);
  await migrate(database.db, silentLog);
  // A third of the copy, which each test file loads again; nobody makes a database after them here.
  await lite.exec(`UPDATE pg_database SET datistemplate = false WHERE datname LIKE 'template%'`);
  for (const template of ['template0', 'template1']) await lite.exec(`DROP DATABASE ${template}`);
  const copy = await lite.dumpDataDir('none');
  mkdirSync('.cache', { recursive: true });
  const temporary = `${cache}.${randomUUID()}`;
  writeFileSync(temporary, new Uint8Array(await copy.arrayBuffer()));
  renameSync(temporary, cache);
  return database;
}

/** As new, without the price of a new one. */
export async function emptyDatabase({ db }: Database): Promise<void> {
  const names = Object.values(tables)
    .map((table) => getTableConfig(table).name)
    .filter((name) => name !== 'schema_migrations');
  await db.execute(sql.raw(`TRUNCATE ${names.join(', ')} RESTART IDENTITY CASCADE`));
}
