import { sql } from 'drizzle-orm';
import { getTableConfig } from 'drizzle-orm/pg-core';
import * as assert from 'uvu/assert';
import { openEmbedded } from '../../test/support/database.ts';
import { refused } from '../../test/support/refused.ts';
import { suite } from '../../test/support/suite.ts';
import { silentLog } from '../log/log.ts';
import { type Database, isUniqueViolation } from './database.ts';
import { migrate } from './migrate.ts';
import { migrations } from './migrations/all.ts';
import { networks, tables } from './schema.ts';

const test = suite('migrations', { deadlineMs: 30_000 });
let database: Database;

test.before(async () => {
  database = await openEmbedded();
});
test.after(() => database.close());

const rowsOf = async (query: ReturnType<typeof sql>): Promise<Array<Record<string, unknown>>> => {
  const result = (await database.db.execute(query)) as unknown as { rows: Array<Record<string, unknown>> };
  return result.rows;
};

test('a migration that fails leaves nothing behind', async () => {
  const broken = [
    ...migrations,
    {
      number: migrations.length + 1,
      name: 'broken',
      sql: 'CREATE TABLE extra (id int);\nSELECT nonsense;\n',
    },
  ];
  await migrate(database.db, silentLog, broken).then(
    () => assert.unreachable(),
    () => {},
  );
  const found = await rowsOf(
    sql`SELECT table_name FROM information_schema.tables WHERE table_schema = 'public'`,
  );
  assert.equal(found, []);
});

test('applies what is missing, and nothing the second time', async () => {
  assert.is(await migrate(database.db, silentLog), migrations.length);
  assert.is(await migrate(database.db, silentLog), 0);
});

test('the tables are those that the code believes in: names, types, nullability', async () => {
  const columns = await rowsOf(sql`
    SELECT table_name, column_name, udt_name, is_nullable FROM information_schema.columns
    WHERE table_schema = 'public' ORDER BY 1, 2`);
  const actual = columns.map(
    (column) =>
      `${column['table_name']}.${column['column_name']} ${column['udt_name']} ${column['is_nullable'] === 'YES' ? 'null' : 'not null'}`,
  );
  const typeNames: Record<string, string> = {
    boolean: 'bool',
    integer: 'int4',
    bigint: 'int8',
    bigserial: 'int8',
    'timestamp with time zone': 'timestamptz',
  };
  const believed = Object.values(tables)
    .flatMap((table) => {
      const { name, columns: ours } = getTableConfig(table);
      return ours.map((column) => {
        const type = column.getSQLType();
        return `${name}.${column.name} ${typeNames[type] ?? type} ${column.notNull || column.primary ? 'not null' : 'null'}`;
      });
    })
    .sort();
  assert.equal(actual, believed);
});

test('a database of a newer engine is refused, in words', async () => {
  const error = await refused(migrate(database.db, silentLog, []));
  assert.is(error.code, 'database.wrong-schema');
  assert.match(error.message, 'newer engine');
});

test('a database with another history is refused', async () => {
  const other = migrations.map((migration) => ({ ...migration, sql: `${migration.sql} ` }));
  const error = await refused(migrate(database.db, silentLog, other));
  assert.is(error.code, 'database.wrong-schema');
});

test('a name that is taken is told apart from other failures', async () => {
  await database.db.insert(networks).values({ name: 'mgmt', bridge: 'br-mgmt' });
  const again = database.db.insert(networks).values({ name: 'mgmt', bridge: 'br-mgmt' });
  await again.then(
    () => assert.unreachable(),
    (error: unknown) => assert.is(isUniqueViolation(error), true),
  );
});

test.run();
