import { randomUUID } from 'node:crypto';
import { PassThrough } from 'node:stream';
import * as assert from 'uvu/assert';
import { type Doors, openDoors } from '../../test/fakes/doors.ts';
import { makeTestCa, type TestCa } from '../../test/support/certificates.ts';
import { eventually } from '../../test/support/eventually.ts';
import { suite } from '../../test/support/suite.ts';
import { AppError } from '../contract/error.ts';
import { hostIdSchema } from '../contract/ids.ts';
import type { TlsIdentity } from '../identity/identity.ts';
import { openTunnel } from './tunnel.ts';

const test = suite('tunnels between hosts');
const open: Doors[] = [];
let ca: TestCa;
test.before(async () => {
  ca = await makeTestCa();
});
test.afterEach(async () => {
  for (const doors of open.splice(0)) await doors.close();
});

async function target(echo = new PassThrough()) {
  const doors = await openDoors(ca, { streams: { libvirtTunnel: async () => echo } });
  open.push(doors);
  return {
    doors,
    at: { hostId: doors.identity.id, address: '127.0.0.1', port: doors.port, path: '/v1/tunnel/libvirt' },
  };
}
const identityOf = async (from: TestCa, role = 'host'): Promise<TlsIdentity> => ({
  ...(await from.issue({ role })),
  ca: from.certificate,
});
const never = new AbortController().signal;

async function errorOf(promise: Promise<unknown>): Promise<AppError> {
  try {
    await promise;
  } catch (error) {
    if (error instanceof AppError) return error;
    throw error;
  }
  throw new Error('it did not fail');
}

test('bytes go both ways, and the end of one is the end of the other', async () => {
  const echo = new PassThrough();
  const { at } = await target(echo);
  const tunnel = await openTunnel(await identityOf(ca), at, never);
  let text = '';
  tunnel.on('data', (chunk) => {
    text += String(chunk);
  });
  tunnel.write('hello');
  await eventually('the echo', () => text === 'hello');
  tunnel.destroy();
  await eventually('the end', () => echo.destroyed);
});

test('another host at the address, another cluster, no cluster: no tunnel', async () => {
  const { at } = await target();
  const own = await identityOf(ca);
  const other = { ...at, hostId: hostIdSchema.parse(randomUUID()) };
  assert.is((await errorOf(openTunnel(own, other, never))).code, 'host.unreachable');
  const stranger = await identityOf(await makeTestCa('another'));
  assert.is((await errorOf(openTunnel(stranger, at, never))).code, 'host.unreachable');
  assert.is((await errorOf(openTunnel({ ...own, ca: undefined }, at, never))).code, 'host.unjoined');
  assert.is((await errorOf(openTunnel(own, { ...at, port: 1 }, never))).code, 'host.unreachable');
});

test('a refusal is told in the words of who refused', async () => {
  const { at } = await target();
  const engine = await identityOf(ca, 'engine');
  assert.is((await errorOf(openTunnel(engine, at, never))).code, 'caller.wrong-role');
});

test('whoever gives up waiting is not left waiting', async () => {
  const doors = await openDoors(ca, { streams: { libvirtTunnel: () => new Promise(() => {}) } });
  open.push(doors);
  const stop = new AbortController();
  const at = {
    hostId: doors.identity.id,
    address: '127.0.0.1',
    port: doors.port,
    path: '/v1/tunnel/libvirt',
  };
  const opening = openTunnel(await identityOf(ca), at, stop.signal);
  setTimeout(() => stop.abort(), 50);
  assert.is((await errorOf(opening)).code, 'host.unreachable');
});

test.run();
