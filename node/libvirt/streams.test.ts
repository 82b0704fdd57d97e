import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Duplex } from 'node:stream';
import * as assert from 'uvu/assert';
import { eventually } from '../../test/support/eventually.ts';
import { suite } from '../../test/support/suite.ts';
import { type Header, makePacket, PacketSplitter, packetStatus, packetType } from './framing.ts';
import { procedures } from './procedures/table.ts';
import { maxStreamChunk, openStream, readStream } from './streams.ts';

const test = suite('libvirt streams');

const domain = { name: 'a', uuid: '00112233-4455-6677-8899-aabbccddeeff', id: 1 };
type Arrived = { status: number; bytes: Buffer };
type Peer = { socket: Socket; call: Header; arrived: Arrived[] };

/** A daemon that opens consoles and then does what the test says. */
async function withConsole(body: (stream: Duplex, peer: Peer) => Promise<void>): Promise<void> {
  const directory = mkdtempSync(join(tmpdir(), 'trefoil-stream-'));
  const opened = Promise.withResolvers<Peer>();
  const server = createServer((socket) => {
    const splitter = new PacketSplitter();
    const arrived: Arrived[] = [];
    socket.on('error', () => {});
    socket.on('data', (chunk: Buffer) => {
      for (const { header, payload } of splitter.push(chunk)) {
        if (header.type === packetType.stream) {
          arrived.push({ status: header.status, bytes: Buffer.from(payload) });
          continue;
        }
        const reply = { ...header, type: packetType.reply };
        const answers: Record<number, string> = { 60: '00000001', 66: '0000000100000000' };
        socket.write(makePacket(reply, Buffer.from(answers[header.procedure] ?? '', 'hex')));
        if (header.procedure === procedures.openConsole.number)
          opened.resolve({ socket, call: header, arrived });
      }
    });
  });
  await new Promise<void>((resolve) => server.listen(join(directory, 'sock'), resolve));
  try {
    const { stream } = await openStream(
      { socketPath: join(directory, 'sock'), uri: 'x', keepAliveMs: 0 },
      procedures.openConsole,
      { domain, device: undefined, flags: 0 },
    );
    const peer = await opened.promise;
    await body(stream, peer);
    peer.socket.destroy();
  } finally {
    await new Promise<void>((resolve) => server.close(() => resolve()));
    rmSync(directory, { recursive: true, force: true });
  }
}
const send = (peer: Peer, status: keyof typeof packetStatus, bytes: Uint8Array | string = ''): boolean =>
  peer.socket.write(
    makePacket(
      { ...peer.call, type: packetType.stream, status: packetStatus[status] },
      typeof bytes === 'string' ? Buffer.from(bytes) : bytes,
    ),
  );

test('bytes flow both ways, and the end is confirmed', async () => {
  await withConsole(async (stream, peer) => {
    stream.write('typed');
    await eventually('it arrived', () => peer.arrived.length === 1);
    assert.equal(peer.arrived, [{ status: packetStatus.continue, bytes: Buffer.from('typed') }]);
    send(peer, 'continue', 'shown');
    const [data] = await once(stream, 'data');
    assert.is(String(data), 'shown');
    stream.end();
    await eventually('the end arrived', () => peer.arrived.at(-1)?.status === packetStatus.ok);
    send(peer, 'ok');
    await once(stream, 'close');
  });
});

test('the daemon ends it: what is read is whole', async () => {
  await withConsole(async (stream, peer) => {
    const whole = readStream(stream, 1_000_000);
    send(peer, 'continue', 'a');
    send(peer, 'continue', 'b');
    send(peer, 'continue');
    await eventually('we finish too', () => peer.arrived.at(-1)?.status === packetStatus.ok);
    send(peer, 'ok');
    assert.is(String(await whole), 'ab');
  });
});

test('a large write goes out in pieces that every daemon takes', async () => {
  await withConsole(async (stream, peer) => {
    const large = Buffer.alloc(maxStreamChunk * 2 + 5, 7);
    await new Promise<void>((resolve) => stream.write(large, () => resolve()));
    await eventually('all arrived', () => peer.arrived.length === 3);
    assert.equal(
      peer.arrived.map(({ bytes }) => bytes.length),
      [maxStreamChunk, maxStreamChunk, 5],
    );
    stream.destroy();
  });
});

test('a reader that does not read slows the daemon down', async () => {
  await withConsole(async (stream, peer) => {
    const piece = Buffer.alloc(64 * 1024, 1);
    let sent = 0;
    // The kernel holds some hundred kilobytes; far more than this must not be taken from us.
    while (sent < 50_000_000 && send(peer, 'continue', piece)) sent += piece.length;
    await new Promise((resolve) => setTimeout(resolve, 50));
    const queued = peer.socket.writableLength;
    for (let i = 0; i < 100; i++) send(peer, 'continue', piece);
    await new Promise((resolve) => setTimeout(resolve, 100));
    assert.ok(peer.socket.writableLength > queued, 'the daemon is held up');
    assert.ok(stream.readableLength < 1_000_000, `no more than a little is kept: ${stream.readableLength}`);
    let read = 0;
    stream.on('data', (data: Buffer) => {
      read += data.length;
    });
    await eventually('all of it comes after all', () => read >= piece.length * 100);
    stream.destroy();
  });
});

test('destroying it tells the daemon, and closes the connection', async () => {
  await withConsole(async (stream, peer) => {
    stream.destroy();
    await eventually('aborted', () => peer.arrived.at(-1)?.status === packetStatus.error);
    await eventually('closed', () => peer.socket.destroyed);
  });
});

test('a daemon that dies fails the stream', async () => {
  await withConsole(async (stream, peer) => {
    peer.socket.destroy();
    const [error] = await once(stream, 'error');
    assert.is(error.code, 'libvirt.connection-lost');
  });
});

test('more bytes than allowed are not kept', async () => {
  await withConsole(async (stream, peer) => {
    const whole = readStream(stream, 10);
    send(peer, 'continue', 'more than ten');
    try {
      await whole;
      assert.unreachable();
    } catch (error) {
      assert.match(String(error), 'given up');
    }
  });
});

test.run();
