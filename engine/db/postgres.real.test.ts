import { setTimeout as delay } from 'node:timers/promises';
import * as assert from 'uvu/assert';
import { eventually } from '../../test/support/eventually.ts';
import { type PostgresServer, startPostgres } from '../../test/support/postgres.ts';
import { refused } from '../../test/support/refused.ts';
import { suite } from '../../test/support/suite.ts';
import { silentLog } from '../log/log.ts';
import { isUniqueViolation } from './database.ts';
import { migrate } from './migrate.ts';
import { networks } from './schema.ts';

const test = suite('the real PostgreSQL', { deadlineMs: 60_000 });
let server: PostgresServer;

test.before(async () => {
  server = await startPostgres();
});
test.after(() => server.stop());

test('two engines that start together migrate once', async () => {
  const made = await server.database();
  const one = made.open();
  const other = made.open();
  const counts = await Promise.all([migrate(one.db, silentLog), migrate(other.db, silentLog)]);
  assert.equal(counts, [0, 0]);
  await Promise.all([one.close(), other.close()]);
});

test('a second engine cannot claim a database that is in use', async () => {
  const made = await server.database();
  const one = made.open();
  const other = made.open();
  await one.claim();
  assert.is((await refused(other.claim())).code, 'database.other-engine');
  await one.close();
  await eventually('the claim to be free again', async () => {
    await other.claim();
    return true;
  });
  await other.close();
});

test('a value comes back as it was written, JSON too, and a double is told', async () => {
  const made = await server.database();
  const one = made.open();
  await one.db.insert(networks).values({ name: 'mgmt', bridge: 'br-mgmt' });
  assert.equal(await one.db.select().from(networks), [{ name: 'mgmt', bridge: 'br-mgmt' }]);
  await one.db
    .insert(networks)
    .values({ name: 'mgmt', bridge: 'x' })
    .then(
      () => assert.unreachable(),
      (error: unknown) => assert.is(isUniqueViolation(error), true),
    );
  await one.close();
});

test('a server that died is answered by an error within the deadline, and used again when it is back', async () => {
  const made = await server.database();
  const one = made.open();
  await one.ping(2_000);
  await server.kill();
  const before = performance.now();
  await one.ping(2_000).then(
    () => assert.unreachable(),
    () => {},
  );
  assert.ok(performance.now() - before < 3_000);
  await server.start();
  await eventually('the database to answer again', async () => {
    await one.ping(2_000);
    return true;
  });
  assert.equal(await one.db.select().from(networks), []);
  await one.close();
});

test('however often it was asked in vain, it is used as soon as it is back', async () => {
  const made = await server.database();
  const one = made.open();
  await server.kill();
  for (let count = 0; count < 12; count += 1) {
    await one.ping(2_000).catch(() => {});
    await delay(100);
  }
  await server.start();
  await eventually(
    'the database to answer again',
    async () => {
      await one.ping(1_000);
      return true;
    },
    { deadlineMs: 4_000 },
  );
  await one.close();
});

test.run();
