import { Duplex } from 'node:stream';
import * as assert from 'uvu/assert';
import { eventually } from '../../test/support/eventually.ts';
import { suite } from '../../test/support/suite.ts';
import { makeLog } from '../log/log.ts';
import { Connection, pingPacket } from './connection.ts';
import { makePacket } from './framing.ts';
import { onlyMigration } from './guard.ts';
import { procedures } from './procedures/table.ts';

const test = suite('libvirt guard');

/** A daemon that keeps what it gets and can say things. */
function fixture() {
  const got: Buffer[] = [];
  const daemon = new Duplex({
    read() {},
    write(chunk: Buffer, _encoding, done) {
      got.push(chunk);
      done();
    },
  });
  const lines: string[] = [];
  const guarded = onlyMigration({ log: makeLog('test', (line) => lines.push(line)) }, daemon);
  guarded.on('error', () => {});
  return { daemon, guarded, lines, got: () => Buffer.concat(got) };
}
const calls = new Connection();
const domain = { name: 'a', uuid: '00112233-4455-6677-8899-aabbccddeeff', id: 1 };

test('the calls of a migration pass as they are, however they are cut', async () => {
  const { guarded, got } = fixture();
  const wire = Buffer.concat([
    calls.call(procedures.authList, {}).bytes,
    calls.call(procedures.supportsFeature, { feature: 4 }).bytes,
    calls.call(procedures.open, { uri: 'qemu:///system', flags: 0 }).bytes,
    pingPacket(),
    calls.call(procedures.prepare3, { params: [], cookie: Buffer.alloc(70_000, 3), flags: 3 }).bytes,
    calls.call(procedures.finish3, { params: [], cookie: new Uint8Array(0), flags: 3, cancelled: false })
      .bytes,
  ]);
  for (let at = 0; at < wire.length; at += 1_000) guarded.write(wire.subarray(at, at + 1_000));
  await eventually('all arrived', () => got().length === wire.length);
  assert.ok(got().equals(wire));
});

test('what the daemon says comes back', async () => {
  const { daemon, guarded } = fixture();
  daemon.push('answer');
  const [data] = await new Promise<[Buffer]>((resolve) => guarded.once('data', (chunk) => resolve([chunk])));
  assert.is(String(data), 'answer');
});

const header = { program: 0x20008086, version: 1, procedure: 303, type: 0, serial: 1, status: 0 };
const forbidden: Record<string, Buffer> = {
  'starting a domain': calls.call(procedures.createXml, { xml: '<domain/>', flags: 0 }).bytes,
  'ending a domain': calls.call(procedures.destroy, { domain, flags: 0 }).bytes,
  'the monitor of QEMU': makePacket({ ...header, program: 0x20008087, procedure: 1 }),
  'file descriptors': makePacket({ ...header, type: 4 }),
  'stream bytes': makePacket({ ...header, type: 3, status: 2 }),
  nonsense: Buffer.from('GET / HTTP/1.1\r\n\r\n'),
};
for (const [name, bytes] of Object.entries(forbidden))
  test(`${name} does not reach the daemon, and ends the connection`, async () => {
    const { daemon, guarded, got, lines } = fixture();
    guarded.write(bytes);
    await eventually('ended', () => guarded.destroyed && daemon.destroyed);
    assert.is(got().length, 0);
    assert.match(lines.join('\n'), 'more than a migration');
  });

test.run();
