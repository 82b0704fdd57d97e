import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import * as assert from 'uvu/assert';
import { z } from 'zod';
import { errorBodySchema } from '../../node/contract/error.ts';
import { emptyDatabase, testDatabase } from '../../test/support/database.ts';
import { adminPassword, formedHosts, type TestEngine, testEngine } from '../../test/support/engine.ts';
import { eventually } from '../../test/support/eventually.ts';
import { suite } from '../../test/support/suite.ts';
import { engineRoutes } from '../contract/routes.ts';
import type { Database } from '../db/database.ts';
import { silentLog } from '../log/log.ts';
import { makeHealth } from '../overview/health.ts';
import { makeEarlyApp } from './early.ts';
import { staticFiles } from './static.ts';

const test = suite('the HTTP face of the engine', { deadlineMs: 30_000 });
let database: Database;
let engine: TestEngine;
let ui: string;

test.before(async () => {
  ui = mkdtempSync(join(tmpdir(), 'trefoil-ui-'));
  mkdirSync(join(ui, 'assets'));
  writeFileSync(join(ui, 'index.html'), '<!doctype html><title>Trefoil</title>');
  writeFileSync(join(ui, 'assets/main-Abcdef12.js'), 'console.log(1)');
  writeFileSync(join(ui, 'assets/main-Abcdef12.js.gz'), gzipSync('console.log(1)'));
  writeFileSync(join(ui, 'favicon.svg'), '<svg/>');
  database = await testDatabase();
  await emptyDatabase(database);
  engine = await testEngine(database, await formedHosts(), { uiDirectory: ui });
});
test.after(async () => {
  await engine.stop();
  await database.close();
  rmSync(ui, { recursive: true });
});

const get = (path: string, headers: Record<string, string> = {}) => engine.fetch(path, { headers });
const errorOf = async (answer: Response) => errorBodySchema.parse(await answer.json()).error;

test('health needs no login and says ready', async () => {
  const answer = await get('/api/v1/health');
  assert.is(answer.status, 200);
  assert.equal(await answer.json(), { state: 'ready', version: '0.1.0' });
});

test('health is not ready while the database does not answer, and the answer does not hang', async () => {
  const health = makeHealth({
    version: '1',
    started: () => true,
    ping: () => Promise.reject(new Error('gone')),
    now: () => 0,
  });
  assert.equal(await health(), { state: 'database-down', version: '1' });
});

test('before the engine is up its health says so, and all else is told to wait', async () => {
  const early = makeEarlyApp({
    health: () => ({ state: 'starting', version: '1' }),
    files: staticFiles(ui),
    log: silentLog,
  });
  const health = await early.request('/api/v1/health');
  assert.is(health.status, 503);
  assert.equal(await health.json(), { state: 'starting', version: '1' });
  const other = await early.request('/api/v1/vms');
  assert.is(other.status, 503);
  assert.is((await errorOf(other)).code, 'engine.starting');
  assert.is((await early.request('/')).status, 200);
});

test('the browser’s cookie cannot be read by scripts nor sent from other sites', async () => {
  const answer = await engine.fetch('/api/v1/sessions', {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ name: 'admin', password: adminPassword, cookie: true }),
  });
  assert.is(answer.status, 201);
  const cookie = answer.headers.get('set-cookie') ?? '';
  assert.match(
    cookie,
    /^__Host-trefoil-session=[\w-]{43}; Path=\/; Max-Age=\d+; HttpOnly; Secure; SameSite=Strict$/,
  );
  const body = (await answer.json()) as Record<string, unknown>;
  assert.is(body['token'], undefined);
  const again = await get('/api/v1/sessions/current', { cookie: cookie.split(';')[0] ?? '' });
  assert.is(((await again.json()) as Record<string, unknown>)['csrfToken'], body['csrfToken']);
  const out = await engine.fetch('/api/v1/sessions/current', {
    method: 'DELETE',
    headers: { cookie: cookie.split(';')[0] ?? '', 'x-trefoil-csrf': String(body['csrfToken']) },
  });
  assert.is(out.status, 204);
  assert.match(out.headers.get('set-cookie') ?? '', 'Max-Age=0');
  assert.is((await get('/api/v1/vms', { cookie: cookie.split(';')[0] ?? '' })).status, 401);
});

test('a login from a page of another site is refused', async () => {
  const answer = await engine.fetch('/api/v1/sessions', {
    method: 'POST',
    headers: { 'content-type': 'application/json', origin: 'https://evil.example', host: 'engine' },
    body: JSON.stringify({ name: 'admin', password: adminPassword, cookie: true }),
  });
  assert.is((await errorOf(answer)).code, 'request.foreign-origin');
});

test('every answer carries the security headers', async () => {
  for (const path of ['/', '/api/v1/health', '/api/v1/vms', '/api/nothing', '/favicon.svg']) {
    const { headers } = await get(path);
    assert.match(headers.get('content-security-policy') ?? '', "frame-ancestors 'none'", path);
    assert.is(headers.get('x-content-type-options'), 'nosniff');
    assert.match(headers.get('strict-transport-security') ?? '', 'max-age=');
  }
});

test('what is not there is told in the API’s own way', async () => {
  const answer = await get('/api/v1/nothing');
  assert.is(answer.status, 404);
  assert.is((await errorOf(answer)).code, 'route.missing');
});

test('the page’s files: index for its own paths, hashed files for ever, compressed where wanted', async () => {
  for (const path of ['/', '/vms/10000000-0000-4000-8000-000000000001']) {
    const page = await get(path);
    assert.match(await page.text(), '<title>Trefoil</title>');
    assert.is(page.headers.get('cache-control'), 'no-cache');
  }
  const script = await get('/assets/main-Abcdef12.js', { 'accept-encoding': 'gzip, br' });
  assert.is(script.headers.get('content-encoding'), 'gzip');
  assert.match(script.headers.get('cache-control') ?? '', 'immutable');
  await script.arrayBuffer();
  const plain = await get('/assets/main-Abcdef12.js');
  assert.is(await plain.text(), 'console.log(1)');
  const etag = plain.headers.get('etag') ?? '';
  assert.is((await get('/assets/main-Abcdef12.js', { 'if-none-match': etag })).status, 304);
});

test('no path leads out of the page’s files', async () => {
  for (const path of [
    '/assets/../../etc/passwd',
    '/%2e%2e/%2e%2e/etc/passwd',
    '/assets/other.js',
    '/..%2fetc/x.js',
  ])
    assert.not.match(await (await get(path)).text(), 'root:');
  assert.is((await get('/assets/other.js')).status, 404);
});

const openApiSchema = z.object({
  openapi: z.string().startsWith('3.1'),
  paths: z.record(z.string(), z.record(z.string(), z.object({ operationId: z.string() }))),
  components: z.object({ schemas: z.record(z.string(), z.unknown()) }),
});

test('the OpenAPI document has every route of the table, and all that it refers to', async () => {
  const text = await (await get('/api/v1/openapi.json')).text();
  const document = openApiSchema.parse(JSON.parse(text));
  const operations = Object.values(document.paths).flatMap((path) =>
    Object.values(path).map(({ operationId }) => operationId),
  );
  assert.equal(operations.sort(), Object.keys(engineRoutes).sort());
  for (const [, name] of text.matchAll(/"#\/components\/schemas\/([^"]+)"/g))
    assert.ok(document.components.schemas[name ?? ''] !== undefined, `${name} is defined`);
  for (const name of ['Vm', 'Host', 'Job', 'Event', 'Volume', 'Overview'])
    assert.ok(name in document.components.schemas, name);
});

test('the overview answers whether everything is fine', async () => {
  const overview = await eventually('an answer', async () => {
    const now = await engine.client.call('getOverview');
    return now.canLoseAHost.answer !== 'unknown' && now;
  });
  assert.is(overview.state, 'fine', overview.headline);
  assert.is(overview.canLoseAHost.answer, 'yes', overview.canLoseAHost.why);
  assert.equal(overview.hosts, { total: 3, online: 3 });
});

test('the engine tells of its loops what they are for and how their last round went', async () => {
  const status = await eventually('all loops to have run', async () => {
    const now = await engine.client.call('getEngine');
    return now.loops.every(({ rounds }) => rounds > 0) && now;
  });
  assert.ok(status.loops.some(({ name, purpose }) => name === 'reconcile' && purpose !== ''));
});

test('lists of volumes, networks, hosts and events can be read', async () => {
  assert.equal(
    (await engine.client.call('listVolumes')).items.map(({ name, state }) => [name, state]),
    [
      ['data', 'healthy'],
      ['engine', 'healthy'],
    ],
  );
  assert.equal((await engine.client.call('listNetworks')).items, [{ name: 'mgmt', bridge: 'br-mgmt' }]);
  const page = await engine.client.call('listHosts', { query: { limit: 2 } });
  assert.equal([page.items.length, page.total], [2, 3]);
  const rest = await engine.client.call('listHosts', { query: { after: page.next } });
  assert.equal(
    rest.items.map(({ name }) => name),
    ['host3'],
  );
  assert.ok((await engine.client.call('listEvents')).total >= 0);
});

test('the own password can be changed, and is then the only one', async () => {
  const change = (current: string, next: string) =>
    engine.client.call('changePassword', { body: { current, next } });
  await change(adminPassword, 'twelve red foxes');
  const old = await engine.fetch('/api/v1/sessions', {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ name: 'admin', password: adminPassword }),
  });
  assert.is(old.status, 401);
  await change('twelve red foxes', adminPassword);
});

test('too many wrong passwords: 429, and when to come again', async () => {
  let last: Response | undefined;
  for (let count = 0; count < 6; count += 1)
    last = await engine.fetch('/api/v1/sessions', {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ name: 'somebody', password: 'wrong' }),
    });
  assert.is(last?.status, 429);
  assert.ok(Number(last?.headers.get('retry-after')) >= 1);
});

test.run();
