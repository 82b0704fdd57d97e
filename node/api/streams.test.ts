import { randomUUID } from 'node:crypto';
import { request } from 'node:https';
import { Duplex, PassThrough } from 'node:stream';
import { connect as tlsConnect } from 'node:tls';
import * as assert from 'uvu/assert';
import { type Doors, openDoors } from '../../test/fakes/doors.ts';
import { makeTestCa, type TestCa } from '../../test/support/certificates.ts';
import { eventually } from '../../test/support/eventually.ts';
import { suite } from '../../test/support/suite.ts';
import { type NodeEvent, nodeEventSchema } from '../contract/events.ts';

/** Event streams and upgraded connections, over real TLS on loopback. */
const test = suite('api streams', { deadlineMs: 20_000 });
const open: Doors[] = [];
let ca: TestCa;
test.before(async () => {
  ca = await makeTestCa('this cluster');
});
test.afterEach(async () => {
  for (const doors of open.splice(0)) await doors.close();
});
async function openWorld(options: Parameters<typeof openDoors>[1] = {}): Promise<Doors> {
  const doors = await openDoors(ca, options);
  open.push(doors);
  return doors;
}

type Reader = { events: NodeEvent[]; ids: number[]; closed: () => boolean; pause(): void };
async function listen(world: Doors): Promise<Reader> {
  const certificate = await ca.issue({ role: 'engine' });
  const events: NodeEvent[] = [];
  const ids: number[] = [];
  let closed = false;
  let text = '';
  return new Promise((resolve, reject) => {
    const sent = request(
      {
        host: '127.0.0.1',
        port: world.port,
        path: '/v1/events',
        key: certificate.key,
        cert: certificate.certificate,
        rejectUnauthorized: false,
        agent: false,
      },
      (answer) => {
        answer.on('data', (chunk) => {
          text += String(chunk);
          for (let at = text.indexOf('\n\n'); at >= 0; at = text.indexOf('\n\n')) {
            const frame = text.slice(0, at);
            text = text.slice(at + 2);
            ids.push(Number(/^id: (\d+)/.exec(frame)?.[1]));
            events.push(nodeEventSchema.parse(JSON.parse(/^data: (.*)$/m.exec(frame)?.[1] ?? '')));
          }
        });
        answer.on('error', () => {});
        answer.on('close', () => {
          closed = true;
        });
        resolve({ events, ids, closed: () => closed, pause: () => void answer.pause() });
      },
    );
    sent.on('error', reject);
    sent.end();
    world.closers.push(() => sent.destroy());
  });
}

const notice = (message: string): NodeEvent => ({
  kind: 'notice',
  at: new Date(0).toISOString(),
  severity: 'info',
  code: 'test.notice',
  message,
});

test('events: first what is there, then every change, and a heartbeat', async () => {
  let give: (events: NodeEvent[]) => void = () => {};
  const world = await openWorld({
    snapshot: () =>
      new Promise((resolve) => {
        give = resolve;
      }),
  });
  const reader = await listen(world);
  world.hub.publish(notice('while the snapshot was taken'));
  give([notice('there before')]);
  const said = () =>
    reader.events
      .filter(({ kind }) => kind !== 'heartbeat')
      .map((event) => (event.kind === 'notice' ? event.message : event.kind));
  await eventually('the snapshot', () => said().length === 3);
  world.hub.publish(notice('after'));
  await eventually('the change', () => said().length === 4);
  assert.equal(said(), ['there before', 'snapshot-done', 'while the snapshot was taken', 'after']);
  await eventually('a heartbeat', () => reader.events.some(({ kind }) => kind === 'heartbeat'));
  assert.is(reader.ids.at(-1), 2);
});

test('events: a reader that does not read is dropped, the others go on', async () => {
  const world = await openWorld();
  const slow = await listen(world);
  const good = await listen(world);
  await eventually('both listen', () => [slow, good].every(({ events }) => events.length > 0));
  assert.is(world.hub.readers(), 2);
  slow.pause();
  const large = 'x'.repeat(100_000);
  const count = () => good.events.filter(({ kind }) => kind === 'notice').length;
  for (let i = 1; world.hub.readers() === 2; i++) {
    assert.ok(i < 500, 'the slow reader was not dropped');
    world.hub.publish(notice(large));
    await eventually('the good one has it', () => count() === i, { everyMs: 1 });
  }
  world.hub.publish(notice('still here'));
  await eventually('the good one goes on', () =>
    good.events.some((e) => e.kind === 'notice' && e.message === 'still here'),
  );
});

async function dial(world: Doors, role: string, path: string, protocol: string) {
  const certificate = await ca.issue({ id: hostId, role });
  const socket = tlsConnect({
    host: '127.0.0.1',
    port: world.port,
    key: certificate.key,
    cert: certificate.certificate,
    rejectUnauthorized: false,
  });
  let text = '';
  socket.on('data', (chunk) => {
    text += String(chunk);
  });
  socket.on('error', () => {});
  world.closers.push(() => socket.destroy());
  socket.write(
    `GET ${path} HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: ${protocol}\r\n\r\nfirst `,
  );
  return { socket, text: () => text };
}

async function upgrade(...args: Parameters<typeof dial>) {
  const dialled = await dial(...args);
  await eventually('an answer', () => dialled.text().includes('\r\n\r\n'));
  return dialled;
}

const hostId = randomUUID();
const vm = randomUUID();

test('a stream: 101, then bytes both ways, what was sent too early included, until one side ends', async () => {
  const inner = new PassThrough();
  const world = await openWorld({ streams: { console: async () => inner } });
  const { socket, text } = await upgrade(world, 'engine', `/v1/vms/${vm}/console`, 'trefoil-vnc');
  assert.match(text(), /^HTTP\/1.1 101 /);
  socket.write('second');
  await eventually('the echo', () => text().endsWith('first second'));
  const large = Buffer.alloc(2_000_000, 'z').toString();
  socket.write(large);
  await eventually('the large echo', () => text().endsWith(large));
  inner.destroy();
  await eventually('the end', () => socket.closed);
});

test('a stream ends inside when the caller goes away', async () => {
  const inner = new PassThrough();
  const world = await openWorld({ streams: { serial: async () => inner } });
  const { socket } = await upgrade(world, 'engine', `/v1/vms/${vm}/serial`, 'trefoil-serial');
  socket.destroy();
  await eventually('the inner end', () => inner.destroyed);
});

test('a caller that goes away while the stream is opened leaves nothing open', async () => {
  const inner = new PassThrough();
  let gone: AbortSignal | undefined;
  let give: (stream: Duplex) => void = () => {};
  const world = await openWorld({
    streams: {
      console: (_, signal) => {
        gone = signal;
        return new Promise((resolve) => {
          give = resolve;
        });
      },
    },
  });
  const { socket } = await dial(world, 'engine', `/v1/vms/${vm}/console`, 'trefoil-vnc');
  await eventually('being opened', () => gone !== undefined);
  socket.destroy();
  await eventually('told', () => gone?.aborted);
  give(inner);
  await eventually('nothing left', () => inner.destroyed);
});

test('tunnels are for hosts, consoles for the engine; who calls is told', async () => {
  const callers: string[] = [];
  const world = await openWorld({
    streams: {
      console: async () => new PassThrough(),
      libvirtTunnel: async (caller) => {
        callers.push(caller);
        return Duplex.from([Buffer.from('hello')]);
      },
      migrationTunnel: async (id, caller) => {
        callers.push(`${id} ${caller}`);
        return new PassThrough();
      },
    },
  });
  const statusOf = async (role: string, path: string, protocol: string) => {
    const { text, socket } = await upgrade(world, role, path, protocol);
    socket.destroy();
    return Number(text().slice(9, 12));
  };
  const tunnel = 'trefoil-tunnel';
  assert.is(await statusOf('host', '/v1/tunnel/libvirt', tunnel), 101);
  assert.is(await statusOf('host', `/v1/tunnel/migration/${vm}`, tunnel), 101);
  assert.equal(callers, [hostId, `${vm} ${hostId}`]);
  for (const role of ['engine', 'installer']) {
    assert.is(await statusOf(role, '/v1/tunnel/libvirt', tunnel), 403);
    assert.is(await statusOf(role, `/v1/vms/${vm}/console`, 'trefoil-vnc'), 101);
  }
  assert.is(await statusOf('host', `/v1/vms/${vm}/console`, 'trefoil-vnc'), 403);
  assert.is(await statusOf('engine', `/v1/vms/${vm}/console`, 'websocket'), 404);
  assert.is(await statusOf('engine', '/v1/vms/not-an-id/console', 'trefoil-vnc'), 404);
  assert.is(await statusOf('engine', '/v1/host', 'trefoil-vnc'), 404);
});

test('streams that are open end when the host leaves its cluster', async () => {
  const inner = new PassThrough();
  const world = await openWorld({ streams: { console: async () => inner } });
  const { socket } = await upgrade(world, 'engine', `/v1/vms/${vm}/console`, 'trefoil-vnc');
  await world.identity.leave();
  await eventually('the end', () => socket.closed && inner.destroyed);
});

test.run();
