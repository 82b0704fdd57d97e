import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, utimesSync } from 'node:fs';
import { createServer } from 'node:net';
import { execPath } from 'node:process';
import * as assert from 'uvu/assert';
import { csrfHeader } from '../../engine/contract/routes.ts';
import { eventually } from '../support/eventually.ts';
import { suite } from '../support/suite.ts';

/** What a newcomer does first: `npm run dev`, open the page, log in, change something, Ctrl-C. */
const test = suite('npm run dev', { deadlineMs: 120_000 });

let child: ChildProcess;
let output = '';
let page = '';
let engine = '';
let directory = '';

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const found = server.address();
  await new Promise((resolve) => server.close(resolve));
  if (found === null || typeof found === 'string') throw new Error('no free port');
  return found.port;
}

const word = (name: string): string => new RegExp(`^ {2}${name} +(\\S+)$`, 'm').exec(output)?.[1] ?? '';
/** A process group is gone when there is nobody in it to be told anything. */
const isGone = (group: number): boolean => {
  try {
    process.kill(-group, 0);
    return false;
  } catch {
    return true;
  }
};
const run = (args: readonly string[]) =>
  spawn(execPath, ['--no-warnings', 'test/dev/main.ts', ...args], {
    // A group of its own, as a terminal gives it: Ctrl-C reaches all of it.
    detached: true,
    stdio: ['ignore', 'pipe', 'inherit'],
  });

test.before(async () => {
  const enginePort = await freePort();
  engine = `http://127.0.0.1:${enginePort}`;
  directory = `.cache/dev/${enginePort}`;
  child = run(['--port', String(await freePort()), '--engine-port', String(enginePort)]);
  child.stdout?.on('data', (chunk: Buffer) => {
    output += chunk.toString();
  });
});
test.after(() => {
  if (child.pid !== undefined && !isGone(child.pid)) process.kill(-child.pid, 'SIGKILL');
});

test('prints where the page is, and a user and a password', async () => {
  await eventually('the page', () => word('Password') !== '' && word('Page') !== '', {
    deadlineMs: 90_000,
  });
  page = word('Page');
  assert.match(page, /^http:\/\/localhost:\d+\/$/);
});

test('the page is there, its modules with hot reload too', async () => {
  const answer = await fetch(page);
  assert.is(answer.status, 200);
  const html = await answer.text();
  assert.match(html, '/@vite/client');
  const entry = /<script type="module" src="([^"@]+)"/.exec(html)?.[1] ?? '';
  assert.is((await fetch(new URL(entry, page))).status, 200);
});

test('one can log in from the page, and see VMs that run', async () => {
  const headers = { origin: new URL(page).origin, 'content-type': 'application/json' };
  const login = await fetch(new URL('/api/v1/sessions', page), {
    method: 'POST',
    headers,
    body: JSON.stringify({ name: word('User'), password: word('Password'), cookie: true }),
  });
  assert.is(login.status, 201);
  const cookie = login.headers.get('set-cookie')?.split(';')[0] ?? '';
  const csrf: string = JSON.parse(await login.text()).csrfToken;
  const list = async () =>
    JSON.parse(await (await fetch(new URL('/api/v1/vms', page), { headers: { cookie } })).text());
  const running = (await list()).items.filter(({ state }: { state: string }) => state === 'running');
  assert.ok(running.length >= 5, `${running.length} VMs run`);

  // A changed file of the engine starts it anew; who was logged in still is.
  const before = output.length;
  utimesSync('test/dev/engine.ts', new Date(), new Date());
  await eventually('the engine to start anew', () => output.slice(before).includes('the engine is ready'), {
    deadlineMs: 60_000,
  });
  await eventually('all to be as before', async () => (await list()).total > running.length, {
    deadlineMs: 20_000,
  });
  const logout = await fetch(new URL('/api/v1/sessions/current', page), {
    method: 'DELETE',
    headers: { ...headers, cookie, [csrfHeader]: csrf },
  });
  assert.is(logout.status, 204);
});

test('a second one on the same port says so and leaves the first alone', async () => {
  const second = run(['--no-page', '--engine-port', new URL(engine).port]);
  let said = '';
  second.stdout?.on('data', (chunk: Buffer) => {
    said += chunk.toString();
  });
  const code = await new Promise<number | null>((resolve) => second.once('close', resolve));
  assert.is(code, 1);
  assert.match(said, 'is in use');
  assert.ok((await fetch(`${engine}/api/v1/health`)).ok);
});

test('Ctrl-C ends it soon and in order, and leaves nothing', async () => {
  const group = child.pid ?? 0;
  const ended = new Promise<number | null>((resolve) => child.once('close', resolve));
  const before = performance.now();
  process.kill(-group, 'SIGINT');
  assert.is(await ended, 0);
  assert.ok(performance.now() - before < 10_000, 'within ten seconds');
  await eventually('all its processes to be gone', () => isGone(group));
  assert.not(existsSync(directory), directory);
  assert.is(await fetch(`${engine}/api/v1/health`).catch(() => 'refused'), 'refused');
});

test.run();
