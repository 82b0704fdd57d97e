import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as assert from 'uvu/assert';
import { suite } from '../../test/support/suite.ts';
import { connectBus } from './connection.ts';

const test = suite('a connection to the message bus');
const directory = mkdtempSync(join(tmpdir(), 'trefoil-bus-'));
const unhandled: unknown[] = [];
process.on('unhandledRejection', (reason) => unhandled.push(reason));
let server: Server;

/** A bus that lets everybody in and answers the first call with these bytes. */
async function bus(name: string, answer: (socket: Socket) => void): Promise<string> {
  const path = join(directory, name);
  server = createServer((socket) => {
    let text = '';
    socket.on('data', (chunk) => {
      text += chunk.toString('latin1');
      if (text.includes('AUTH') && text.endsWith('\r\n') && !text.includes('BEGIN'))
        socket.write('OK 1234\r\n');
      if (text.includes('Hello')) {
        text = '';
        answer(socket);
      }
    });
    socket.on('error', () => {});
  });
  await new Promise<void>((resolve) => server.listen(path, resolve));
  return path;
}
test.afterEach(() => void server.close());
test.after(() => rmSync(directory, { recursive: true }));

/**
 * An error message, little endian: type 3, serial 1; fields 4 error name (s), 5 reply serial (u), 8 signature (g); the
 * body is one string.
 */
function refusal(errorName: string, text: string): Buffer {
  const string = (value: string) => {
    const bytes = Buffer.alloc(4 + value.length + 1);
    bytes.writeUInt32LE(value.length);
    bytes.write(value, 4);
    return bytes;
  };
  const padded = (bytes: Buffer) => Buffer.concat([bytes, Buffer.alloc((8 - (bytes.length % 8)) % 8)]);
  const field = (code: number, signature: string, value: Buffer) =>
    padded(Buffer.concat([Buffer.from([code, 1]), Buffer.from(`${signature}\0`), value]));
  const body = string(text);
  const one = Buffer.from([1, 0, 0, 0]);
  const fields = Buffer.concat([
    field(4, 's', string(errorName)),
    field(5, 'u', one),
    Buffer.concat([Buffer.from([8, 1]), Buffer.from('g\0'), Buffer.from([1]), Buffer.from('s\0')]),
  ]);
  const head = Buffer.alloc(16);
  head.set([0x6c, 3, 0, 1]);
  head.writeUInt32LE(body.length, 4);
  head.writeUInt32LE(1, 8);
  head.writeUInt32LE(fields.length, 12);
  return Buffer.concat([padded(Buffer.concat([head, fields])), body]);
}
const failureOf = (path: string) =>
  connectBus(path).then(
    () => 'connected',
    (error: unknown) => String(error),
  );
const aMoment = () => new Promise((resolve) => setTimeout(resolve, 50));

test('a bus that refuses the first call is a failure for who asked, and for nobody else', async () => {
  const limit = refusal('org.freedesktop.DBus.Error.LimitsExceeded', 'too many');
  const path = await bus('refuses', (socket) => socket.write(limit));
  assert.match(await failureOf(path), /refused: org.freedesktop.DBus.Error.LimitsExceeded too many/);
  await aMoment();
  assert.equal(unhandled, []);
});

test('so is one that hangs up instead', async () => {
  const path = await bus('hangs-up', (socket) => socket.destroy());
  assert.match(await failureOf(path), 'closed the connection');
  await aMoment();
  assert.equal(unhandled, []);
});

test('and one that is not there', async () => {
  server = createServer();
  assert.match(await failureOf(join(directory, 'none')), 'ENOENT');
  await aMoment();
  assert.equal(unhandled, []);
});

test.run();
