import { setTimeout as delay } from 'node:timers/promises';
import * as assert from 'uvu/assert';
import type { Fault } from '../../test/fakes/libvirt/faults.ts';
import { FakeLibvirt, type FakeLibvirtOptions } from '../../test/fakes/libvirt/server.ts';
import { eventually } from '../../test/support/eventually.ts';
import { suite } from '../../test/support/suite.ts';
import { AppError } from '../contract/error.ts';
import type { DaemonEvent } from './events.ts';
import { openTransport } from './handshake.ts';
import { procedures } from './procedures/table.ts';
import type { Transport, TransportHandlers, TransportOptions } from './transport.ts';

const test = suite('libvirt transport');

const uri = 'qemu:///system';
const codeOf = async (promise: Promise<unknown>): Promise<string> => {
  try {
    await promise;
    return 'no error';
  } catch (error) {
    return error instanceof AppError ? error.code : `not an AppError: ${error}`;
  }
};

async function withDaemon(
  options: FakeLibvirtOptions,
  body: (daemon: FakeLibvirt, transport: Transport) => Promise<void>,
  own: { transport?: Partial<TransportOptions>; handlers?: TransportHandlers } = {},
): Promise<void> {
  const daemon = await FakeLibvirt.start(options);
  try {
    const opened = await openTransport(
      { socketPath: daemon.socketPath, uri, ...own.transport },
      own.handlers ?? {},
    );
    try {
      await body(daemon, opened);
    } finally {
      opened.close();
    }
  } finally {
    await daemon.stop();
  }
}

test('opens in the order that the daemon wants', async () => {
  await withDaemon({}, async (daemon, transport) => {
    assert.equal(daemon.calls, ['authList', 'supportsFeature', 'open', 'supportsFeature']);
    assert.equal(await transport.call(procedures.getHostname, {}), { hostname: 'fake' });
  });
});

const faults: { name: string; fault: Fault; code: string; closes: boolean }[] = [
  {
    name: 'an error',
    fault: { kind: 'error', error: { code: 55, message: 'no' } },
    code: 'libvirt.wrong-state',
    closes: false,
  },
  { name: 'silence', fault: { kind: 'silence' }, code: 'libvirt.deadline', closes: false },
  {
    name: 'a very late answer',
    fault: { kind: 'late', afterMs: 300 },
    code: 'libvirt.deadline',
    closes: false,
  },
  { name: 'hanging up', fault: { kind: 'hang-up' }, code: 'libvirt.connection-lost', closes: true },
  {
    name: 'hanging up after the deed',
    fault: { kind: 'hang-up-after' },
    code: 'libvirt.connection-lost',
    closes: true,
  },
  {
    name: 'garbage',
    fault: { kind: 'garbage', bytes: Buffer.from('HTTP/1.1 400 Bad Request\r\n') },
    code: 'libvirt.garbage',
    closes: true,
  },
  { name: 'a short answer', fault: { kind: 'short' }, code: 'libvirt.garbage', closes: true },
  { name: 'a long answer', fault: { kind: 'long' }, code: 'libvirt.garbage', closes: true },
  {
    name: 'an answer to nobody',
    fault: { kind: 'wrong-serial' },
    code: 'libvirt.garbage',
    closes: true,
  },
  {
    name: 'an answer to something else',
    fault: { kind: 'wrong-procedure' },
    code: 'libvirt.garbage',
    closes: true,
  },
  { name: 'an answer in single bytes', fault: { kind: 'byte-by-byte' }, code: 'no error', closes: false },
  { name: 'a second answer', fault: { kind: 'twice' }, code: 'no error', closes: true },
];
for (const { name, fault, code, closes } of faults)
  test(`${name}: ${code}${closes ? ', and the connection is closed' : ''}`, async () => {
    await withDaemon({ faults: { getLibVersion: [fault] } }, async (_, transport) => {
      const call = transport.call(procedures.getLibVersion, {}, { deadlineMs: 150 });
      assert.is(await codeOf(call), code);
      if (closes) await eventually('closed', () => transport.closed);
      // Whatever it was, the others go on: on this connection, or with the same error for all.
      else {
        assert.equal(await transport.call(procedures.getHostname, {}), { hostname: 'fake' });
        if (fault.kind === 'late') await delay(fault.afterMs);
        assert.equal(await transport.call(procedures.getHostname, {}), { hostname: 'fake' });
        assert.is(transport.closed, false);
      }
    });
  });

test('garbage fails everyone who waits, with the same error, and is told once', async () => {
  const told: string[] = [];
  await withDaemon(
    { faults: { getHostname: { kind: 'silence' }, getUri: [{ kind: 'short' }] } },
    async (_, transport) => {
      const codes = await Promise.all([
        codeOf(transport.call(procedures.getHostname, {})),
        codeOf(transport.call(procedures.getHostname, {})),
        codeOf(transport.call(procedures.getUri, {})),
      ]);
      assert.equal(codes, ['libvirt.garbage', 'libvirt.garbage', 'libvirt.garbage']);
      assert.is(await codeOf(transport.call(procedures.getHostname, {})), 'libvirt.garbage');
      assert.equal(told, ['libvirt.garbage']);
    },
    { handlers: { closed: (why) => told.push(why.code) } },
  );
});

test('a caller can give up, before and while', async () => {
  await withDaemon({ faults: { getHostname: [{ kind: 'silence' }] } }, async (daemon, transport) => {
    assert.is(
      await codeOf(transport.call(procedures.getUri, {}, { signal: AbortSignal.abort() })),
      'libvirt.cancelled',
    );
    const controller = new AbortController();
    const call = codeOf(transport.call(procedures.getHostname, {}, { signal: controller.signal }));
    await eventually('the daemon has the call', () => daemon.calls.includes('getHostname'));
    controller.abort();
    assert.is(await call, 'libvirt.cancelled');
    assert.not(daemon.calls.includes('getUri'));
    assert.equal(await transport.call(procedures.getHostname, {}), { hostname: 'fake' });
  });
});

test('no more than four calls are with the daemon at once', async () => {
  await withDaemon({ faults: { getUri: { kind: 'silence' } } }, async (daemon, transport) => {
    const calls = Array.from({ length: 6 }, () =>
      codeOf(transport.call(procedures.getUri, {}, { deadlineMs: 5_000 })),
    );
    const count = () => daemon.calls.filter((name) => name === 'getUri').length;
    await eventually('four arrived', () => count() === 4);
    await new Promise((resolve) => setImmediate(resolve));
    assert.is(count(), 4);
    transport.close();
    assert.equal(new Set(await Promise.all(calls)), new Set(['libvirt.connection-lost']));
  });
});

test('a daemon that hangs in all calls it was given is left', async () => {
  await withDaemon({ faults: { getUri: { kind: 'silence' } } }, async (_, transport) => {
    const calls = Array.from({ length: 4 }, () =>
      codeOf(transport.call(procedures.getUri, {}, { deadlineMs: 50 })),
    );
    assert.equal(new Set(await Promise.all(calls)), new Set(['libvirt.deadline']));
    assert.is(transport.closed, true);
  });
});

test('a dead peer is noticed by its silence', async () => {
  const told: string[] = [];
  await withDaemon(
    { keepAlive: 'unanswered' },
    async () => {
      await eventually('it is noticed', () => told.length === 1);
      assert.equal(told, ['libvirt.connection-lost']);
    },
    {
      transport: { keepAliveMs: 30, keepAliveMisses: 2 },
      handlers: { closed: (why) => told.push(why.code) },
    },
  );
});

test('a quiet but living peer is kept', async () => {
  await withDaemon(
    { keepAlive: 'answered' },
    async (_, transport) => {
      const end = performance.now() + 200;
      await eventually('several pulses went by', () => performance.now() > end);
      assert.is(transport.closed, false);
    },
    { transport: { keepAliveMs: 10, keepAliveMisses: 2 } },
  );
});

test('a peer without keepalive is not asked for signs of life', async () => {
  await withDaemon(
    { keepAlive: 'unsupported' },
    async (_, transport) => {
      const end = performance.now() + 100;
      await eventually('several pulses went by', () => performance.now() > end);
      assert.is(transport.closed, false);
    },
    { transport: { keepAliveMs: 10, keepAliveMisses: 1 } },
  );
});

test('events arrive, unknown ones are told, both between answers', async () => {
  const events: DaemonEvent[] = [];
  const unknown: number[] = [];
  await withDaemon(
    {},
    async (daemon, transport) => {
      const { callbackId } = await transport.call(procedures.registerDomainEvent, {
        eventId: 1,
        domain: undefined,
      });
      const domain = { name: 'a', uuid: '00112233-4455-6677-8899-aabbccddeeff', id: 1 };
      daemon.emit({ kind: 'reboot', callbackId: 99, domain });
      daemon.sendMessage(9999, Buffer.alloc(8));
      await transport.call(procedures.getHostname, {});
      assert.equal(events, [{ kind: 'reboot', callbackId, domain }]);
      assert.equal(unknown, [9999]);
    },
    {
      handlers: {
        event: (event) => events.push(event),
        unknownEvent: ({ procedure }) => unknown.push(procedure),
      },
    },
  );
});

test('what does not fit the protocol is not sent and harms nobody', async () => {
  await withDaemon({}, async (_, transport) => {
    assert.is(
      await codeOf(transport.call(procedures.lookupByUuid, { uuid: 'nonsense' })),
      'libvirt.unsendable',
    );
    assert.equal(await transport.call(procedures.getHostname, {}), { hostname: 'fake' });
  });
});

test('no daemon: one typed error', async () => {
  const open = openTransport({ socketPath: '/nowhere/libvirt-sock', uri });
  assert.is(await codeOf(open), 'libvirt.connection-lost');
});

test('a daemon that accepts but never speaks does not hold us for ever', async () => {
  const daemon = await FakeLibvirt.start({ faults: { authList: { kind: 'silence' } } });
  try {
    const open = openTransport({ socketPath: daemon.socketPath, uri }, {}, AbortSignal.timeout(100));
    assert.is(await codeOf(open), 'libvirt.cancelled');
  } finally {
    await daemon.stop();
  }
});

test('a daemon that wants a password is not guessed at', async () => {
  const daemon = await FakeLibvirt.start();
  daemon.world.handlers.authList = () => ({ types: [1] });
  try {
    assert.is(await codeOf(openTransport({ socketPath: daemon.socketPath, uri })), 'libvirt.wants-password');
  } finally {
    await daemon.stop();
  }
});

test.run();
