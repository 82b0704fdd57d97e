import * as assert from 'uvu/assert';
import { WebSocket } from 'ws';
import { emptyDatabase, testDatabase } from '../../test/support/database.ts';
import {
  adminPassword,
  type Formed,
  formedHosts,
  type TestEngine,
  testEngine,
} from '../../test/support/engine.ts';
import { eventually } from '../../test/support/eventually.ts';
import { refused } from '../../test/support/refused.ts';
import { suite } from '../../test/support/suite.ts';
import { consoleTicketSchema } from '../contract/vms.ts';
import type { Database } from '../db/database.ts';
import { Tickets, ticketMs } from '../vms/console.ts';
import { type Served, serveApi } from './server.ts';

const test = suite('the console in the browser', { deadlineMs: 30_000 });
let database: Database;
let formed: Formed;
let engine: TestEngine;
let server: Served;

test.before(async () => {
  database = await testDatabase();
  await emptyDatabase(database);
  formed = await formedHosts();
  // In memory a VM's screen echoes what it is sent.
  engine = await testEngine(database, formed);
  server = await serveApi({
    address: '127.0.0.1',
    port: 0,
    app: () => engine.engine.app,
    onUpgrade: engine.engine.onUpgrade,
  });
  await eventually('the engine’s VM', async () => (await engine.client.call('listVms')).total === 1);
});
test.after(async () => {
  await engine.stop();
  await server.stop();
  await database.close();
});

const ticketFor = async () =>
  engine.client.call('createConsoleTicket', { params: { id: formed.formed.engineVmId } });
const open = (path: string, headers: Record<string, string> = {}) =>
  new WebSocket(`ws://127.0.0.1:${server.port}${path}`, ['binary'], { headers });
const statusOf = (socket: WebSocket): Promise<number> =>
  new Promise((resolve) => {
    socket.on('error', () => {});
    socket.on('open', () => resolve(101));
    socket.on('unexpected-response', (_, answer) => resolve(answer.statusCode ?? 0));
  });

test('a ticket opens the screen: bytes go both ways', async () => {
  const { path } = await ticketFor();
  const socket = open(path);
  let seen = '';
  socket.on('message', (data: Buffer) => {
    seen += data.toString();
  });
  await new Promise((resolve) => socket.on('open', resolve));
  assert.is(socket.protocol, 'binary');
  socket.send(Buffer.from('key'));
  await eventually('the echo', () => seen === 'key');
  socket.close();
});

test('much goes through whole, at the reader’s pace', async () => {
  const { path } = await ticketFor();
  const socket = open(path);
  let received = 0;
  socket.on('message', (data: Buffer) => {
    received += data.length;
  });
  await new Promise((resolve) => socket.on('open', resolve));
  const chunk = Buffer.alloc(256 * 1024, 7);
  for (let count = 0; count < 40; count += 1) socket.send(chunk);
  await eventually('all of it', () => received === 40 * chunk.length);
  socket.close();
});

test('a ticket works once', async () => {
  const { path } = await ticketFor();
  const first = open(path);
  assert.is(await statusOf(first), 101);
  assert.is(await statusOf(open(path)), 403);
  first.close();
});

test('without a ticket, with a wrong one, or from another site’s page: closed', async () => {
  assert.is(await statusOf(open('/api/v1/console')), 403);
  assert.is(await statusOf(open('/api/v1/console?ticket=x')), 403);
  const { path } = await ticketFor();
  assert.is(await statusOf(open(path, { origin: 'https://evil.example' })), 403);
  assert.is(await statusOf(open('/api/v1/other')), 404);
});

test('a ticket ends with the session that got it', async () => {
  const login = await engine.client.call('createSession', {
    body: { name: 'admin', password: adminPassword },
  });
  const headers = { authorization: `Bearer ${login.token}` };
  const id = formed.formed.engineVmId;
  const answer = await engine.fetch(`/api/v1/vms/${id}/console`, { method: 'POST', headers });
  const { path } = consoleTicketSchema.parse(await answer.json());
  await engine.fetch('/api/v1/sessions/current', { method: 'DELETE', headers });
  assert.is(await statusOf(open(path)), 403);
});

test('a ticket is good for 30 seconds', () => {
  let now = 0;
  const tickets = new Tickets(() => now);
  const id = formed.formed.engineVmId as Parameters<Tickets['issue']>[0]['vmId'];
  const { ticket } = tickets.issue({ vmId: id, user: 'admin', tokenHash: '' });
  now = ticketMs;
  assert.throws(() => tickets.redeem(ticket), 'not valid');
});

test('a VM that is off has no screen', async () => {
  const { id, jobId } = await engine.client.call('createVm', {
    body: { name: 'off', diskMiB: 16, start: false },
  });
  await engine.engine.jobs.ended(jobId);
  const error = await refused(engine.client.call('createConsoleTicket', { params: { id } }));
  assert.is(error.code, 'vm.not-in-this-state');
});

test.run();
