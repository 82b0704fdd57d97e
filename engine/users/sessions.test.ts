import { randomUUID } from 'node:crypto';
import * as assert from 'uvu/assert';
import { emptyDatabase, testDatabase } from '../../test/support/database.ts';
import { refused } from '../../test/support/refused.ts';
import { suite } from '../../test/support/suite.ts';
import { userIdSchema } from '../contract/common.ts';
import { passwordHashSchema } from '../contract/seed.ts';
import type { Database } from '../db/database.ts';
import { sessions as sessionsTable } from '../db/schema.ts';
import { makeLimiter } from './limiter.ts';
import { checkPassword, hashPassword } from './password.ts';
import { csrfMatches, csrfTokenOf, Sessions } from './sessions.ts';
import { ensureUser, findUserByName } from './store.ts';

const test = suite('users and sessions', { deadlineMs: 30_000 });
const password = 'eleven blue herons';
/** Of users that log in in a test that is not about what a password costs. */
const cheap = 1024;
const weakHash = 'scrypt$16384$8$1$c2FsdHNhbHRzYWx0c2FsdA$';
let database: Database;
let cheapHash: string;
let nowMs = Date.parse('2026-01-01T00:00:00Z');
const now = () => new Date(nowMs);

test.before(async () => {
  database = await testDatabase();
  cheapHash = await hashPassword(password, cheap);
});
test.after(() => database.close());

const fresh = async (passwordCost: { passwordCost?: number } = { passwordCost: cheap }) => {
  await emptyDatabase(database);
  const id = userIdSchema.parse(randomUUID());
  await ensureUser(database.db, { id, name: 'Admin', passwordHash: cheapHash, createdAt: now() });
  return new Sessions({ db: database.db, now, limiter: makeLimiter(() => nowMs), ...passwordCost });
};
const login = (sessions: Sessions, parts: { name?: string; password?: string; address?: string } = {}) =>
  sessions.login(
    { name: parts.name ?? 'admin', password: parts.password ?? password, cookie: false },
    parts.address ?? '10.0.0.1',
  );

test('a hash is as the contract says, is salted, and knows its password', async () => {
  const hash = await hashPassword(password);
  passwordHashSchema.parse(hash);
  assert.match(hash, /^scrypt\$65536\$8\$1\$/);
  assert.is.not(await hashPassword(password), hash);
  assert.equal(await checkPassword(password, hash), { right: true, weak: false });
  assert.is((await checkPassword('eleven blue heron', hash)).right, false);
});

test('a text that asks for gigabytes, or is no hash, is nobody’s password', async () => {
  assert.is((await checkPassword(password, 'scrypt$1073741824$8$1$aa$aa')).right, false);
  assert.is((await checkPassword(password, weakHash)).right, false);
  assert.is((await checkPassword(password, 'plain')).right, false);
});

test('whoever knows the password gets a session; the database never sees the token', async () => {
  const sessions = await fresh();
  const { token, session } = await login(sessions);
  assert.match(token, /^[\w-]{43}$/);
  const rows = await database.db.select().from(sessionsTable);
  assert.is(rows.length, 1);
  assert.not.match(JSON.stringify(rows), token);
  assert.is((await sessions.find(token))?.userName, session.userName);
  assert.is(await sessions.find('x'.repeat(43)), undefined);
});

test('a wrong name and a wrong password are answered alike', async () => {
  const sessions = await fresh();
  const one = await refused(login(sessions, { password: 'no' }));
  const other = await refused(login(sessions, { name: 'nobody' }));
  assert.is(one.code, 'session.wrong-login');
  assert.is(one.message, other.message);
});

test('after five wrong passwords each try must wait twice as long, and the answer says how long', async () => {
  const sessions = await fresh();
  for (let count = 0; count < 5; count += 1)
    assert.is((await refused(login(sessions, { password: 'no' }))).code, 'session.wrong-login');
  const error = await refused(login(sessions));
  assert.is(error.code, 'session.too-many-tries');
  assert.is(error.message, 'There were too many wrong passwords. Try again in 2 seconds.');
  nowMs += 2_001;
  await refused(login(sessions, { password: 'no' }));
  assert.match((await refused(login(sessions))).message, 'in 4 seconds');
  // Another user from another address is not held up; the same address is.
  assert.is(
    (await refused(login(sessions, { name: 'else', address: '10.0.0.2' }))).code,
    'session.wrong-login',
  );
  assert.is((await refused(login(sessions, { name: 'third' }))).code, 'session.too-many-tries');
  nowMs += 4_001;
  await login(sessions);
});

test('tries that arrive together are counted together', async () => {
  const sessions = await fresh();
  const results = await Promise.all(
    Array.from({ length: 12 }, () => refused(login(sessions, { password: 'no', address: '10.0.0.3' }))),
  );
  const checked = results.filter(({ code }) => code === 'session.wrong-login').length;
  assert.is(checked, 5);
  assert.is((await refused(login(sessions, { address: '10.0.0.3' }))).code, 'session.too-many-tries');
});

test('whoever has logged in from an address is not held up by wrong tries from elsewhere', async () => {
  const sessions = await fresh();
  await login(sessions, { address: '10.0.0.1' });
  for (let count = 0; count < 8; count += 1)
    await refused(login(sessions, { password: 'no', address: `10.0.9.${count}` }));
  assert.is((await refused(login(sessions, { address: '10.0.0.2' }))).code, 'session.too-many-tries');
  await login(sessions, { address: '10.0.0.1' });
  // Known or not: who types wrong must wait.
  for (let count = 0; count < 5; count += 1)
    await refused(login(sessions, { password: 'no', address: '10.0.0.1' }));
  assert.is((await refused(login(sessions, { address: '10.0.0.1' }))).code, 'session.too-many-tries');
});

test('addresses of one IPv6 network are one address: a machine has as many as it likes', async () => {
  const sessions = await fresh();
  for (let count = 0; count < 5; count += 1)
    await refused(login(sessions, { name: `user${count}`, address: `2001:db8:0:7::${count}` }));
  assert.is(
    (await refused(login(sessions, { name: 'another', address: '2001:db8:0:7:a:b:c:d' }))).code,
    'session.too-many-tries',
  );
  assert.is(
    (await refused(login(sessions, { name: 'another', address: '2001:db8:0:8::1' }))).code,
    'session.wrong-login',
  );
});

test('logins that come faster than passwords can be checked are refused, not kept waiting; and not counted', async () => {
  const sessions = await fresh();
  const many = Array.from({ length: 100 }, (_, index) =>
    refused(login(sessions, { name: `user${index}`, address: `10.1.${index}.1` })),
  );
  const codes = (await Promise.all(many)).map(({ code }) => code);
  const checked = codes.filter((code) => code === 'session.wrong-login').length;
  const busy = codes.filter((code) => code === 'session.busy').length;
  assert.is(checked + busy, 100);
  assert.ok(checked >= 16 && checked <= 40, `${checked} were checked`);
  await login(sessions, { address: '10.1.99.1' });
});

test('a session lives while it is used, and ends when it is not', async () => {
  const sessions = await fresh();
  const { token } = await login(sessions);
  for (let hours = 0; hours < 20; hours += 5) {
    nowMs += 5 * 60 * 60_000;
    assert.ok(await sessions.find(token), `after ${hours + 5} hours of use`);
  }
  nowMs += 8 * 60 * 60_000 + 1;
  assert.is(await sessions.find(token), undefined);
});

test('a session ends after a week even if it is used all the time', async () => {
  const sessions = await fresh();
  const { token } = await login(sessions);
  let hours = 0;
  while ((await sessions.find(token)) !== undefined && hours < 400) {
    hours += 4;
    nowMs += 4 * 60 * 60_000;
  }
  assert.is(hours, 7 * 24);
});

test('logging out ends it at once, also where it was believed', async () => {
  const sessions = await fresh();
  const { token, session } = await login(sessions);
  await sessions.find(token);
  await sessions.logout(session);
  assert.is(await sessions.find(token), undefined);
});

test('a session that is being looked up while it ends is not believed afterwards', async () => {
  const { token, session } = await login(await fresh());
  // Another one, so that nothing is believed yet; statements are carried out in the order in which they are sent.
  const sessions = new Sessions({ db: database.db, now, limiter: makeLimiter(() => nowMs) });
  const lookedUp = sessions.find(token);
  await sessions.logout(session);
  await lookedUp;
  assert.is(await sessions.find(token), undefined);
});

test('a changed password ends all other sessions, not the own; the old one must be known', async () => {
  const sessions = await fresh();
  const one = await login(sessions);
  const other = await login(sessions);
  await sessions.find(other.token);
  const wrong = sessions.changePassword(one.session, { current: 'no', next: 'twelve red foxes' }, 'a');
  assert.is((await refused(wrong)).code, 'password.wrong');
  await sessions.changePassword(one.session, { current: password, next: 'twelve red foxes' }, 'a');
  assert.ok(await sessions.find(one.token));
  assert.is(await sessions.find(other.token), undefined);
  await login(sessions, { password: 'twelve red foxes' });
});

test('a password that was hashed with less is hashed anew at its login', async () => {
  const sessions = await fresh({});
  const { scryptSync } = await import('node:crypto');
  const salt = Buffer.from('saltsaltsaltsalt');
  const key = scryptSync(password, salt, 32, { N: 16_384, r: 8, p: 1 });
  await ensureUser(database.db, {
    id: userIdSchema.parse(randomUUID()),
    name: 'old',
    passwordHash: `scrypt$16384$8$1$${salt.toString('base64url')}$${key.toString('base64url')}`,
    createdAt: now(),
  });
  await login(sessions, { name: 'old' });
  assert.match((await findUserByName(database.db, 'old'))?.passwordHash ?? '', /^scrypt\$65536\$/);
});

test('the CSRF token belongs to its session', () => {
  assert.is(csrfMatches('token', csrfTokenOf('token')), true);
  assert.is(csrfMatches('token', csrfTokenOf('other')), false);
  assert.is(csrfMatches('token', undefined), false);
  assert.is(csrfMatches('token', ''), false);
});

test.run();
