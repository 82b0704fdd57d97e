import { Hono } from 'hono';
import * as assert from 'uvu/assert';
import { AppError } from '../../node/contract/error.ts';
import { suite } from '../../test/support/suite.ts';
import { userIdSchema } from '../contract/common.ts';
import { permissionSchema } from '../contract/permissions.ts';
import { type EngineRoute, type EngineRouteName, engineRoutes } from '../contract/routes.ts';
import { silentLog } from '../log/log.ts';
import { authorize, type Caller } from '../users/authorize.ts';
import { csrfTokenOf, hashToken, type Sessions } from '../users/sessions.ts';
import type { SessionRecord } from '../users/store.ts';
import { cookieName } from './caller.ts';
import type { Handlers } from './handler.ts';
import { type ApiBindings, mountRoutes } from './mount.ts';

const test = suite('the gate: every route of the table');

const token = 'a'.repeat(43);
const cookieToken = 'b'.repeat(43);
const session = (cookie: boolean): SessionRecord => ({
  tokenHash: hashToken(cookie ? cookieToken : token),
  userId: userIdSchema.parse('00000000-0000-4000-8000-000000000001'),
  userName: 'admin',
  cookie,
  createdAt: new Date(),
  usedAt: new Date(),
  expiresAt: new Date(Date.now() + 1e6),
});
// Of Sessions, mounting only asks for `find`.
const sessions = {
  find: async (given: string) =>
    given === token ? session(false) : given === cookieToken ? session(true) : undefined,
} as Sessions;

const reached: string[] = [];
const handlers = Object.fromEntries(
  Object.keys(engineRoutes).map((name) => [
    name,
    async () => {
      reached.push(name);
      return { reached: name };
    },
  ]),
  // Each name of the table is there.
) as unknown as Handlers;

const appWith = (gate?: typeof authorize) => {
  const app = new Hono<ApiBindings>();
  mountRoutes(app, handlers, {
    sessions,
    log: silentLog,
    ...(gate === undefined ? {} : { authorize: gate }),
  });
  return app;
};
const denyAll: typeof authorize = () => {
  throw new AppError({ code: 'user.not-allowed', family: 'denied', message: 'No.' });
};
const someId = '10000000-0000-4000-8000-000000000001';
const all = Object.entries(engineRoutes) as Array<[EngineRouteName, EngineRoute]>;
const guarded = all.filter(([, { access }]) => access !== 'public');

const ask = async (
  app: Hono<ApiBindings>,
  { method, path }: Pick<EngineRoute, 'method' | 'path'>,
  options: { headers?: Record<string, string>; body?: string; id?: string; query?: string } = {},
) => {
  const url = `https://engine${path.replaceAll(/\{\w+\}/g, options.id ?? someId)}${options.query ?? ''}`;
  const init: RequestInit = { method, headers: { host: 'engine', ...options.headers } };
  if (options.body !== undefined && method !== 'GET') init.body = options.body;
  const answer = await app.fetch(new Request(url, init), { address: '10.0.0.1' });
  const text = await answer.text();
  const code = text.startsWith('{"error"')
    ? (JSON.parse(text) as { error: { code: string } }).error.code
    : '';
  return { status: answer.status, code, text };
};
const bearer = { authorization: `Bearer ${token}` };

test('the public ones are these and no others', () => {
  assert.equal(
    all.filter(([, { access }]) => access === 'public').map(([name]) => name),
    ['getHealth', 'createSession'],
  );
});

for (const [name, route] of guarded) {
  test(`${name} is closed without a login, with a wrong token, and with a permission missing`, async () => {
    reached.length = 0;
    assert.equal((await ask(appWith(), route)).status, 401);
    const wrong = await ask(appWith(), route, { headers: { authorization: `Bearer ${'x'.repeat(43)}` } });
    assert.is(wrong.code, 'session.required');
    const denied = await ask(appWith(denyAll), route, { headers: bearer });
    assert.equal([denied.status, denied.code], [403, 'user.not-allowed']);
    assert.equal(reached, []);
  });
  if (route.method !== 'GET')
    test(`${name} by cookie needs the CSRF token and our own page`, async () => {
      reached.length = 0;
      const cookie = { cookie: `other=1; ${cookieName}=${cookieToken}` };
      const csrf = { 'x-trefoil-csrf': csrfTokenOf(cookieToken) };
      assert.is((await ask(appWith(), route, { headers: cookie })).code, 'session.wrong-csrf-token');
      const foreign = { ...cookie, ...csrf, origin: 'https://evil.example' };
      assert.is((await ask(appWith(), route, { headers: foreign })).code, 'request.foreign-origin');
      const nowhere = { ...cookie, ...csrf, origin: 'null' };
      assert.is((await ask(appWith(), route, { headers: nowhere })).code, 'request.foreign-origin');
      assert.equal(reached, []);
      const own = await ask(appWith(), route, {
        headers: { ...cookie, ...csrf, origin: 'https://engine' },
      });
      assert.ok(own.status < 300 || own.code === 'request.invalid', own.text);
    });
}

for (const [name, route] of all) {
  if (route.params !== undefined)
    test(`${name} refuses what is no id`, async () => {
      const answer = await ask(appWith(), route, { headers: bearer, id: 'not-an-id' });
      assert.equal([answer.status, answer.code], [400, 'request.invalid']);
    });
  if (route.query !== undefined)
    test(`${name} refuses a query that is not right`, async () => {
      const query = route.transport === 'upload' ? '?format=exe' : '?limit=-1&bytes=x';
      const answer = await ask(appWith(), route, { headers: bearer, query });
      assert.equal([answer.status, answer.code], [400, 'request.invalid']);
    });
  if (route.body !== undefined)
    test(`${name} refuses bodies that are no JSON, not its own, or carry what it does not know`, async () => {
      const json = { ...bearer, 'content-type': 'application/json' };
      const code = async (body: string, headers: Record<string, string> = json) =>
        (await ask(appWith(), route, { headers, body })).code;
      assert.is(await code('{'), 'request.not-json');
      assert.is(await code('{}', { ...bearer, 'content-type': 'text/plain' }), 'request.not-json');
      assert.is(await code('[]'), 'request.invalid');
      assert.is(await code('{"unknown":1}'), 'request.invalid');
      assert.is(await code('null'), 'request.invalid');
      assert.is(await code(`"${'x'.repeat(1024 * 1024)}"`), 'request.too-large');
    });
}

test('a login with anything but strings is refused', async () => {
  const json = { 'content-type': 'application/json' };
  for (const body of [
    '{"name":"admin","password":{"$ne":""}}',
    '{"name":["admin"],"password":"x"}',
    '{"name":"admin","password":true}',
    '{"name":"admin"}',
  ])
    assert.is(
      (await ask(appWith(), engineRoutes.createSession, { headers: json, body })).code,
      'request.invalid',
    );
});

test('a session that was given without a cookie is not accepted in one', async () => {
  const answer = await ask(appWith(), engineRoutes.listVms, {
    headers: { cookie: `${cookieName}=${token}` },
  });
  assert.is(answer.code, 'session.required');
});

test('a path with a name is not taken for an id', async () => {
  reached.length = 0;
  await ask(appWith(), engineRoutes.listDiscoveredHosts, { headers: bearer });
  assert.equal(reached, ['listDiscoveredHosts']);
});

test('what is not granted is denied', () => {
  const caller: Caller = { name: 'admin', role: 'administrator' };
  for (const permission of permissionSchema.options) authorize(caller, permission, undefined);
  // As if a permission were added and granted to nobody.
  const tomorrow = 'tomorrow.do' as (typeof permissionSchema.options)[number];
  assert.throws(() => authorize(caller, tomorrow, undefined), 'may not do this');
});

test.run();
