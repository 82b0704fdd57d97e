import fc from 'fast-check';
import * as assert from 'uvu/assert';
import { suite } from '../../test/support/suite.ts';
import { Connection, type ConnectionEvent, pingPacket } from './connection.ts';
import { type RemoteError, remoteError, remoteFailure } from './errors.ts';
import { writeEvent } from './events.ts';
import { makePacket, packetStatus, packetType } from './framing.ts';
import { type Procedure, program } from './procedures/shapes.ts';
import { procedures } from './procedures/table.ts';
import { XdrWriter } from './xdr.ts';

const test = suite('libvirt connection, without I/O');

const answerPacket = <A, R>(
  procedure: Procedure<A, R>,
  serial: number,
  value: R,
  over: Partial<Parameters<typeof makePacket>[0]> = {},
): Buffer => {
  const to = new XdrWriter();
  procedure.ret.write(to, value);
  return makePacket(
    {
      program: procedure.program,
      version: 1,
      procedure: procedure.number,
      type: packetType.reply,
      serial,
      status: packetStatus.ok,
      ...over,
    },
    to.finish(),
  );
};
const streamPacket = (
  procedure: Procedure<unknown, unknown>,
  serial: number,
  status: number,
  payload: string,
) =>
  makePacket(
    {
      program: procedure.program,
      version: 1,
      procedure: procedure.number,
      type: packetType.stream,
      serial,
      status,
    },
    Buffer.from(payload),
  );
const refusalPacket = (
  procedure: Procedure<unknown, unknown>,
  serial: number,
  error: RemoteError,
): Buffer => {
  const to = new XdrWriter();
  remoteError.write(to, error);
  return makePacket(
    {
      program: procedure.program,
      version: 1,
      procedure: procedure.number,
      type: packetType.reply,
      serial,
      status: packetStatus.error,
    },
    to.finish(),
  );
};
const domain = { name: 'vm1', uuid: '00112233-4455-6677-8899-aabbccddeeff', id: 3 };
const hex = (text: string): string => text.replaceAll(/\s/g, '');

test('opening a connection sends exactly these bytes', () => {
  const connection = new Connection();
  const sent = [
    connection.call(procedures.authList, {}),
    connection.call(procedures.supportsFeature, { feature: 10 }),
    connection.call(procedures.open, { uri: 'qemu:///system', flags: 0 }),
    connection.call(procedures.supportsFeature, { feature: 14 }),
    connection.call(procedures.registerDomainEvent, { eventId: 0, domain: undefined }),
    connection.call(procedures.listAllDomains, { needResults: true, flags: 0 }),
  ].map(({ bytes }) => bytes.toString('hex'));
  assert.equal(sent, [
    hex('0000001c 20008086 00000001 00000042 00000000 00000001 00000000'),
    hex('00000020 20008086 00000001 0000003c 00000000 00000002 00000000 0000000a'),
    hex(
      '00000038 20008086 00000001 00000001 00000000 00000003 00000000' +
        '00000001 0000000e 71656d753a2f2f2f73797374656d0000 00000000',
    ),
    hex('00000020 20008086 00000001 0000003c 00000000 00000004 00000000 0000000e'),
    hex('00000024 20008086 00000001 0000013c 00000000 00000005 00000000 00000000 00000000'),
    hex('00000024 20008086 00000001 00000111 00000000 00000006 00000000 00000001 00000000'),
  ]);
  assert.is(
    pingPacket().toString('hex'),
    hex('0000001c 6b656570 00000001 00000001 00000002 00000000 00000000'),
  );
});

test('answers come in any order and find their call', () => {
  const connection = new Connection();
  const first = connection.call(procedures.getHostname, {});
  const second = connection.call(procedures.getLibVersion, {});
  const events = [
    ...connection.feed(answerPacket(procedures.getLibVersion, second.serial, { version: 9n })),
    ...connection.feed(answerPacket(procedures.getHostname, first.serial, { hostname: 'h' })),
  ];
  assert.equal(events, [
    { kind: 'answer', serial: second.serial, value: { version: 9n } },
    { kind: 'answer', serial: first.serial, value: { hostname: 'h' } },
  ]);
  assert.is(connection.inFlight, 0);
});

/** One of everything that a daemon may send, with what must come out. */
function conversation(): { connection: Connection; wire: Buffer; expected: ConnectionEvent[] } {
  const connection = new Connection();
  const calls = [
    connection.call(procedures.getHostname, {}),
    connection.call(procedures.getState, { domain, flags: 0 }),
    connection.call(procedures.screenshot, { domain, screen: 0, flags: 0 }),
    connection.call(procedures.getLibVersion, {}),
  ].map(({ serial }) => serial);
  const [a = 0, b = 0, c = 0, d = 0] = calls;
  connection.forget(d);
  const error = {
    code: 42,
    domain: 10,
    message: 'no',
    level: 2,
    vm: domain,
    text1: 'a',
    text2: undefined,
    text3: 'c',
    int1: 5,
    int2: -1,
    network: undefined,
  };
  const event = { kind: 'lifecycle', callbackId: 4, domain, event: 2, detail: 0 } as const;
  const message = writeEvent(event);
  const unasked = { program: program.remote, version: 1, type: packetType.message, serial: 0, status: 0 };
  const wire = Buffer.concat([
    answerPacket(procedures.getHostname, a, { hostname: 'host' }),
    makePacket({ ...unasked, procedure: message.procedure }, message.payload),
    makePacket({ ...unasked, program: program.keepAlive, procedure: 1 }),
    makePacket({ ...unasked, program: program.keepAlive, procedure: 2 }),
    answerPacket(procedures.screenshot, c, { mime: 'image/png' }),
    makePacket({ ...unasked, procedure: 9999 }, Buffer.from('whatever')),
    refusalPacket(procedures.getState, b, error),
    streamPacket(procedures.screenshot, c, packetStatus.continue, 'pixels'),
    answerPacket(procedures.getLibVersion, d, { version: 1n }),
    streamPacket(procedures.screenshot, c, packetStatus.continue, ''),
    streamPacket(procedures.screenshot, c, packetStatus.ok, ''),
  ]);
  const expected: ConnectionEvent[] = [
    { kind: 'answer', serial: a, value: { hostname: 'host' } },
    { kind: 'event', event },
    {
      kind: 'send',
      bytes: makePacket({ ...unasked, program: program.keepAlive, procedure: 2 }),
    },
    { kind: 'pong' },
    { kind: 'answer', serial: c, value: { mime: 'image/png' } },
    { kind: 'unknown-event', program: program.remote, procedure: 9999, bytes: 8 },
    { kind: 'refusal', serial: b, error, procedure: 'DOMAIN_GET_STATE' },
    { kind: 'stream-data', serial: c, data: Buffer.from('pixels') },
    { kind: 'late', serial: d, procedure: 'CONNECT_GET_LIB_VERSION' },
    { kind: 'stream-end', serial: c },
    { kind: 'stream-finished', serial: c },
  ];
  return { connection, wire, expected };
}

test('the input may be cut anywhere', () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 1, max: 90 }), { minLength: 1, maxLength: 40 }), (sizes) => {
      const { connection, wire, expected } = conversation();
      const events: ConnectionEvent[] = [];
      for (let at = 0, turn = 0; at < wire.length; turn++) {
        const size = sizes[turn % sizes.length] ?? 1;
        events.push(...connection.feed(wire.subarray(at, at + size)));
        at += size;
      }
      assert.equal(events, expected);
    }),
  );
});

test('one byte at a time, and all at once', () => {
  for (const size of [1, 1_000_000]) {
    const { connection, wire, expected } = conversation();
    const events: ConnectionEvent[] = [];
    for (let at = 0; at < wire.length; at += size)
      events.push(...connection.feed(wire.subarray(at, at + size)));
    assert.equal(events, expected);
  }
});

test('every field of an error arrives, and its code is mapped', () => {
  const connection = new Connection();
  const { serial } = connection.call(procedures.getState, { domain, flags: 0 });
  const network = { name: 'net', uuid: domain.uuid };
  const error: RemoteError = {
    code: 42,
    domain: 10,
    message: 'Domain not found',
    level: 2,
    vm: domain,
    text1: 'one',
    text2: 'two',
    text3: 'three',
    int1: 11,
    int2: 12,
    network,
  };
  const [event] = connection.feed(refusalPacket(procedures.getState, serial, error));
  assert.equal(event, { kind: 'refusal', serial, error, procedure: 'DOMAIN_GET_STATE' });
  const failure = remoteFailure(error, 'DOMAIN_GET_STATE');
  assert.is(failure.code, 'libvirt.no-domain');
  assert.is(failure.family, 'missing');
  assert.is(failure.message, 'Domain not found.');
  assert.equal(failure.details, {
    procedure: 'DOMAIN_GET_STATE',
    code: 42,
    domain: 10,
    message: 'Domain not found',
    level: 2,
    text1: 'one',
    text2: 'two',
    text3: 'three',
    int1: 11,
    int2: 12,
    vm: domain,
    network,
  });
  const bare = remoteFailure({ ...error, code: 9999, message: undefined }, 'DOMAIN_GET_STATE');
  assert.is(bare.code, 'libvirt.failed');
  assert.is(bare.message, 'libvirt refused DOMAIN_GET_STATE without a reason.');
});

const header = { program: program.remote, version: 1, procedure: 59, type: 1, serial: 1, status: 0 };
const garbage: Record<string, Buffer> = {
  'a length below the header': Buffer.from('0000001b', 'hex'),
  'a length above the limit': Buffer.from('02000001', 'hex'),
  'an unknown type': makePacket({ ...header, type: 7 }),
  'an unknown status': makePacket({ ...header, status: 3 }),
  'a call': makePacket({ ...header, type: packetType.call }),
  'file descriptors, which were not asked for': makePacket({ ...header, type: packetType.replyWithFds }),
  'a hole': makePacket({ ...header, type: packetType.streamHole }),
  'another version': makePacket({ ...header, version: 2 }),
  'an unknown serial': makePacket({ ...header, serial: 77 }),
  'another procedure': makePacket({ ...header, procedure: 60 }),
  'another program': makePacket({ ...header, program: program.qemu }),
  'a short payload': makePacket(header, Buffer.from('0000', 'hex')),
  'a long payload': makePacket(header, Buffer.from('00000001610000000000', 'hex')),
  'a status that only streams have': makePacket({ ...header, status: packetStatus.continue }),
  'stream bytes for a plain call': makePacket({ ...header, type: packetType.stream, status: 2 }),
  'a broken event': makePacket({ ...header, procedure: 318, type: packetType.message, serial: 0 }),
  'a strange keepalive': makePacket({ ...header, program: program.keepAlive, procedure: 3, type: 2 }),
};
for (const [name, bytes] of Object.entries(garbage))
  test(`${name} is garbage, and nothing is believed after it`, () => {
    const connection = new Connection();
    const { serial } = connection.call(procedures.getHostname, {});
    assert.is(serial, 1);
    const after = answerPacket(procedures.getHostname, serial, { hostname: 'h' });
    const events = connection.feed(Buffer.concat([bytes, after]));
    assert.equal(
      events.map((event) => event.kind),
      ['garbage'],
    );
    assert.equal(connection.feed(after), []);
  });

test('what came before garbage counts', () => {
  const connection = new Connection();
  const { serial } = connection.call(procedures.getHostname, {});
  const events = connection.feed(
    Buffer.concat([answerPacket(procedures.getHostname, serial, { hostname: 'h' }), Buffer.alloc(4)]),
  );
  assert.equal(
    events.map((event) => event.kind),
    ['answer', 'garbage'],
  );
});

test('a second answer to the same call is garbage', () => {
  const connection = new Connection();
  const { serial } = connection.call(procedures.getHostname, {});
  const answer = answerPacket(procedures.getHostname, serial, { hostname: 'h' });
  assert.equal(
    connection.feed(Buffer.concat([answer, answer])).map((event) => event.kind),
    ['answer', 'garbage'],
  );
});

test('stream bytes that overtake their answer wait for it', () => {
  const connection = new Connection();
  const { serial } = connection.call(procedures.screenshot, { domain, screen: 0, flags: 0 });
  const bytes = streamPacket(procedures.screenshot, serial, packetStatus.continue, 'pixels');
  assert.equal(connection.feed(bytes), []);
  assert.equal(
    connection.feed(answerPacket(procedures.screenshot, serial, { mime: undefined })).map(({ kind }) => kind),
    ['answer', 'stream-data'],
  );
  const other = connection.call(procedures.screenshot, { domain, screen: 0, flags: 0 });
  const flood = streamPacket(procedures.screenshot, other.serial, packetStatus.continue, 'x');
  const [event] = connection.feed(Buffer.concat(Array.from({ length: 65 }, () => flood)));
  assert.is(event?.kind, 'garbage');
});

test('a stream that nobody wants any more is aborted when it opens', () => {
  const connection = new Connection();
  const { serial } = connection.call(procedures.screenshot, { domain, screen: 0, flags: 0 });
  connection.forget(serial);
  const events = connection.feed(answerPacket(procedures.screenshot, serial, { mime: undefined }));
  assert.equal(
    events.map((event) => event.kind),
    ['late', 'send'],
  );
  const bytes = streamPacket(procedures.screenshot, serial, packetStatus.continue, 'x');
  assert.equal(
    connection.feed(bytes).map((event) => event.kind),
    ['late'],
  );
  assert.is(connection.inFlight, 1);
  connection.feed(streamPacket(procedures.screenshot, serial, packetStatus.ok, ''));
  assert.is(connection.inFlight, 0);
});

test('a long packet in small pieces is not copied again and again', { deadlineMs: 5_000 }, () => {
  const connection = new Connection();
  const { serial } = connection.call(procedures.getCapabilities, {});
  const wire = answerPacket(procedures.getCapabilities, serial, { xml: 'x'.repeat(4 * 1024 * 1024) });
  let events: ConnectionEvent[] = [];
  for (let at = 0; at < wire.length; at += 256) events = connection.feed(wire.subarray(at, at + 256));
  assert.is(events[0]?.kind, 'answer');
});

test('no two procedures share a number', () => {
  const numbers = Object.values(procedures).map((one) => `${one.program}/${one.number}`);
  assert.is(new Set(numbers).size, numbers.length);
});

test.run();
