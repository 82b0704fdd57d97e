import { randomBytes, randomUUID } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { type AddressInfo, createServer as createTcpServer, connect as tcpConnect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createServer as createTlsServer, connect as tlsConnect } from 'node:tls';
import { getRequestListener } from '@hono/node-server';
import { Hono } from 'hono';
import * as assert from 'uvu/assert';
import { makeTestCa, type TestCa } from '../../test/support/certificates.ts';
import { eventually } from '../../test/support/eventually.ts';
import { suite } from '../../test/support/suite.ts';
import { answerError } from '../api/answer.ts';
import type { Bindings } from '../api/app.ts';
import { mountPairing } from '../api/routes-pairing.ts';
import { openTlsDoor } from '../api/server.ts';
import { AppError } from '../contract/error.ts';
import { announcementSchema } from '../contract/host.ts';
import { type Identity, openIdentity } from '../identity/identity.ts';
import { silentLog } from '../log/log.ts';
import { makeChannels, openChannel } from './channel.ts';
import { makeInitiator } from './initiator.ts';
import { makeResponder } from './responder.ts';

/** Both sides over real TLS connections on loopback. */
const test = suite('pairing over TLS');
let directory = '';
let ca: TestCa;
const closers: (() => unknown)[] = [];
test.before(async () => {
  ca = await makeTestCa();
});
test.beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'trefoil-pairing-'));
});
test.afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
  await rm(directory, { recursive: true, force: true });
});

const identityOf = (name: string) =>
  openIdentity({ directory: join(directory, name), now: () => new Date(), log: silentLog });

async function openHost(name: string) {
  const identity = await identityOf(name);
  const responder = makeResponder({
    now: () => performance.now(),
    random: randomBytes,
    log: silentLog,
    host: {
      id: identity.id,
      joined: () => identity.membership().state === 'joined',
      csr: identity.csr,
      join: identity.join,
      look: async () => {
        throw new AppError({ code: 'host.busy', family: 'unavailable', message: 'Not now.' });
      },
    },
  });
  const app = new Hono<Bindings>();
  app.onError((error, c) => answerError(c, error, silentLog));
  mountPairing(app, {
    responder,
    membership: identity.membership,
    channelOf: makeChannels(responder.closed),
    announcement: async () =>
      announcementSchema.parse({
        id: identity.id,
        name,
        version: '1',
        state: identity.membership().state,
        addresses: [],
        port: 1,
        fingerprint: identity.fingerprint(),
        machine: '',
        cpuThreads: 1,
        memoryMiB: 1,
        diskCount: 0,
      }),
  });
  const door = await openTlsDoor({
    host: '127.0.0.1',
    port: 0,
    tls: identity.tls,
    onIdentityChange: identity.onChange,
    graceMs: 50,
    listeners: { request: getRequestListener(app.fetch), upgrade: (_, socket) => socket.destroy() },
  });
  closers.push(() => door.close());
  return { identity, responder, port: door.port, code: () => responder.status().code };
}

async function openInitiator(identity?: Identity) {
  const own = identity ?? (await identityOf('initiator'));
  const initiator = makeInitiator({
    random: randomBytes,
    newId: randomUUID,
    after: (ms, then) => {
      const timer = setTimeout(then, ms);
      return { cancel: () => clearTimeout(timer) };
    },
    log: silentLog,
    tls: own.tls,
    openChannel,
  });
  closers.push(() => initiator.close());
  return initiator;
}

async function errorOf(promise: Promise<unknown>): Promise<AppError> {
  try {
    await promise;
  } catch (error) {
    if (error instanceof AppError) return error;
    throw error;
  }
  throw new Error('it did not fail');
}

const address = '127.0.0.1';

async function joinFor(started: { hostId: string; csr: string }) {
  return {
    clusterId: randomUUID(),
    clusterName: 'office',
    hostName: 'host2',
    certificate: await ca.sign(started.csr, { id: started.hostId, role: 'host' }),
    caCertificate: ca.certificate,
  };
}

test('a host is paired, looked at, and joined', async () => {
  const host = await openHost('host');
  const initiator = await openInitiator();
  const code = host.code();
  const started = await initiator.start({ address, port: host.port, code });
  assert.is(started.hostId, host.identity.id);
  assert.is((await errorOf(initiator.host(started.id))).code, 'host.busy');
  await initiator.finish(started.id, await joinFor(started));
  assert.is(host.identity.membership().state, 'joined');
  assert.is.not(host.code(), code);
  assert.is((await errorOf(initiator.host(started.id))).code, 'pairing.unknown');
  assert.is(
    (await errorOf(initiator.start({ address, port: host.port, code }))).code,
    'pairing.already-joined',
  );
});

test('with a wrong code it ends in one sentence, and the host knows at once that the try is over', async () => {
  const host = await openHost('host');
  const initiator = await openInitiator();
  for (let i = 0; i < 6; i++) {
    const error = await errorOf(initiator.start({ address, port: host.port, code: 'WRNGWRNG' }));
    assert.is(error.code, 'pairing.wrong-code', String(i));
    const left = i < 4 ? 4 - i : 5;
    if (i < 5) await eventually('the try is over', () => host.responder.status().triesLeft === left);
  }
});

/** Someone on the network who has two TLS connections and passes on every byte of what is inside. */
async function openRelay(port: number): Promise<number> {
  const mine = (await identityOf('relay')).tls();
  const server = createTlsServer(
    {
      key: mine.key,
      cert: mine.certificate,
      requestCert: true,
      rejectUnauthorized: false,
      minVersion: 'TLSv1.3',
    },
    (victim) => {
      const onward = tlsConnect({
        host: address,
        port,
        key: mine.key,
        cert: mine.certificate,
        rejectUnauthorized: false,
      });
      victim.pipe(onward);
      onward.pipe(victim);
      for (const socket of [victim, onward]) {
        socket.on('error', () => {});
        socket.on('close', () => {
          victim.destroy();
          onward.destroy();
        });
      }
    },
  );
  await new Promise<void>((resolve) => server.listen(0, address, resolve));
  closers.push(() => server.close());
  return (server.address() as AddressInfo).port; // listening on TCP
}

test('a relay between two TLS connections fails even with the right code', async () => {
  const host = await openHost('host');
  const initiator = await openInitiator();
  const port = await openRelay(host.port);
  const error = await errorOf(initiator.start({ address, port, code: host.code() }));
  assert.is(error.code, 'pairing.wrong-code');
  await eventually('the try is counted', () => host.responder.status().triesLeft === 4);
  assert.is(host.identity.membership().state, 'unjoined');
  await initiator.start({ address, port: host.port, code: host.code() });
});

test('bytes that are passed on below TLS change nothing: the two ends are still the two ends', async () => {
  const host = await openHost('host');
  const initiator = await openInitiator();
  const server = createTcpServer((victim) => {
    const onward = tcpConnect(host.port, address);
    victim.pipe(onward).pipe(victim);
    for (const socket of [victim, onward]) socket.on('error', () => {});
    victim.on('close', () => onward.destroy());
  });
  await new Promise<void>((resolve) => server.listen(0, address, resolve));
  closers.push(() => server.close());
  const { port } = server.address() as AddressInfo; // listening on TCP
  await initiator.start({ address, port, code: host.code() });
});

test('two at once: the first to finish has the host', async () => {
  const host = await openHost('host');
  const initiator = await openInitiator();
  const code = host.code();
  const [one, two] = await Promise.all([
    initiator.start({ address, port: host.port, code }),
    initiator.start({ address, port: host.port, code }),
  ]);
  const joins = [await joinFor(one), await joinFor(two)] as const;
  const results = await Promise.allSettled([
    initiator.finish(one.id, joins[0]),
    initiator.finish(two.id, joins[1]),
  ]);
  assert.equal(results.map((result) => result.status).sort(), ['fulfilled', 'rejected']);
  const failed = results.find((result) => result.status === 'rejected');
  assert.match(String(failed?.reason.code), /^(host|pairing)\.already-joined$/);
});

test('a pairing that is forgotten leaves the host as it was, its code unspent', async () => {
  const host = await openHost('host');
  const initiator = await openInitiator();
  const code = host.code();
  const started = await initiator.start({ address, port: host.port, code });
  initiator.forget(started.id);
  assert.is((await errorOf(initiator.finish(started.id, await joinFor(started)))).code, 'pairing.unknown');
  assert.is(host.code(), code);
  await initiator.start({ address, port: host.port, code });
});

test('nobody there, and somebody else there', async () => {
  const initiator = await openInitiator();
  assert.is(
    (await errorOf(initiator.start({ address, port: 1, code: 'ABCDEFGH' }))).code,
    'pairing.unreachable',
  );
  const mine = (await identityOf('web')).tls();
  const web = createTlsServer({ key: mine.key, cert: mine.certificate }, (socket) => {
    socket.on('error', () => {});
    socket.end('HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello');
  });
  await new Promise<void>((resolve) => web.listen(0, address, resolve));
  closers.push(() => web.close());
  const { port } = web.address() as AddressInfo; // listening on TCP
  assert.is((await errorOf(initiator.start({ address, port, code: 'ABCDEFGH' }))).code, 'pairing.unreadable');
});

test('garbage from strangers is refused and costs no try', async () => {
  const host = await openHost('host');
  const ask = async (path: string, body: string, withCertificate: boolean) => {
    const mine = (await identityOf('stranger')).tls();
    return new Promise<string>((resolve, reject) => {
      const socket = tlsConnect({
        host: address,
        port: host.port,
        rejectUnauthorized: false,
        ...(withCertificate ? { key: mine.key, cert: mine.certificate } : {}),
      });
      let text = '';
      socket.on('data', (chunk) => {
        text += String(chunk);
      });
      socket.on('error', reject);
      socket.on('close', () => resolve(text));
      socket.write(
        `POST ${path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n${body}`,
      );
    });
  };
  const share = '11'.repeat(32);
  const session = '22'.repeat(16);
  assert.match(await ask('/pair/v1/start', '{"session":', true), /^HTTP\/1.1 400[\s\S]*request.invalid/);
  assert.match(await ask('/pair/v1/start', '{"session":1}', true), /^HTTP\/1.1 400[\s\S]*request.invalid/);
  assert.match(await ask('/pair/v1/start', JSON.stringify({ session, share }), false), /no-certificate/);
  const large = JSON.stringify({ session, question: 'x'.repeat(200_000), mac: share });
  assert.match(await ask('/pair/v1/look', large, true), /^HTTP\/1.1 400[\s\S]*too-large/);
  assert.match(await ask('/pair/v1/confirm', JSON.stringify({ session, confirmation: share }), true), /404/);
  assert.is(host.responder.status().triesLeft, 5);
});

test.run();
