import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import dbus from 'dbus-next';
import * as assert from 'uvu/assert';
import { eventually } from '../../test/support/eventually.ts';
import { suite } from '../../test/support/suite.ts';
import { systemClock } from '../clock/clock.ts';
import { AppError } from '../contract/error.ts';
import { silentLog } from '../log/log.ts';
import { type Bus, makeBus } from './bus.ts';
import { connectBus } from './connection.ts';

/** A private dbus-daemon, and on it a service of ours; the daemon dies and comes back. */
const test = suite('message bus', { deadlineMs: 20_000 });
const service = 'test.trefoil.Service';
const object = { destination: service, path: '/test', interface: 'test.trefoil.Iface' } as const;

let folder: string;
let socket: string;
let daemon: ChildProcess;
let bus: Bus;
let provider: ReturnType<typeof dbus.sessionBus>;

const config = (
  path: string,
) => `<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig><type>session</type><listen>unix:path=${path}</listen><auth>EXTERNAL</auth>
<policy context="default"><allow send_destination="*" eavesdrop="true"/><allow eavesdrop="true"/><allow own="*"/></policy></busconfig>`;

async function startDaemon(): Promise<void> {
  await rm(socket, { force: true });
  daemon = spawn(
    'dbus-daemon',
    ['--config-file', join(folder, 'bus.conf'), '--nofork', '--print-address=1'],
    {
      stdio: ['ignore', 'pipe', 'ignore'],
    },
  );
  if (daemon.stdout !== null) await once(daemon.stdout, 'data');
  provider = dbus.sessionBus({ busAddress: `unix:socket=${socket}` });
  provider.on('error', () => undefined);
  provider.addMethodHandler((message: dbus.Message) => {
    if (message.interface !== object.interface) return false;
    if (message.member === 'Hang') return true;
    if (message.member === 'Echo')
      provider.send(
        dbus.Message.newMethodReturn(message, 'sta{sv}', [
          message.body[0],
          12n,
          { inner: new dbus.Variant('v', new dbus.Variant('as', ['a', 'b'])) },
        ]),
      );
    else
      provider.send(dbus.Message.newError(message as unknown as string, 'test.trefoil.Error', 'no, sorry'));
    return true;
  });
  await provider.requestName(service, 0);
}

async function stopDaemon(): Promise<void> {
  const gone = once(daemon, 'exit');
  daemon.kill('SIGKILL');
  await gone;
}

const emit = (text: string) =>
  provider.send(dbus.Message.newSignal(object.path, object.interface, 'Happened', 's', [text]));
const codeOf = (work: Promise<unknown>): Promise<string> =>
  work.then(
    () => 'no error',
    (error: unknown) => (error instanceof AppError ? error.code : String(error)),
  );

test.beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'trefoil-bus-'));
  socket = join(folder, 'bus');
  await writeFile(join(folder, 'bus.conf'), config(socket));
  await startDaemon();
  bus = makeBus({ connect: connectBus, clock: systemClock, log: silentLog }, socket);
});
test.afterEach(async () => {
  bus.close();
  await stopDaemon();
  await rm(folder, { recursive: true });
});

test('a call and its answer, variants unwrapped, 64-bit numbers as numbers', async () => {
  const answer = await bus.call({ ...object, member: 'Echo', signature: 's', body: ['hello'] });
  assert.equal(answer, ['hello', 12, { inner: ['a', 'b'] }]);
});

test('refusals and absent services are told apart', async () => {
  assert.is(await codeOf(bus.call({ ...object, member: 'Refuse' })), 'bus.refused');
  assert.is(
    await codeOf(bus.call({ ...object, destination: 'test.trefoil.Nobody', member: 'X' })),
    'bus.no-such-service',
  );
});

test('who does not answer costs the deadline, no more', async () => {
  const started = performance.now();
  assert.is(await codeOf(bus.call({ ...object, member: 'Hang' }, { timeoutMs: 300 })), 'bus.timed-out');
  assert.ok(performance.now() - started < 1_000);
});

test('the bus dies: calls under way fail, later ones wait for the next bus, signals come again', async () => {
  const heard: string[] = [];
  let connections = 0;
  bus.onConnected(() => {
    connections += 1;
  });
  await bus.subscribe(
    { sender: service, path: object.path, interface: object.interface, member: 'Happened' },
    (signal) => heard.push(String(signal.body[0])),
  );
  await eventually('connected', () => connections === 1);
  await bus.call({ ...object, member: 'Echo', signature: 's', body: ['x'] });
  emit('one');
  await eventually('one', () => heard.includes('one'));

  const underWay = codeOf(bus.call({ ...object, member: 'Hang' }));
  await stopDaemon();
  assert.is(await underWay, 'bus.lost');
  const waiting = bus.call(
    { ...object, member: 'Echo', signature: 's', body: ['again'] },
    { timeoutMs: 15_000 },
  );
  await startDaemon();
  // our service may come a moment after the bus
  const answer = await waiting.catch(() =>
    bus.call({ ...object, member: 'Echo', signature: 's', body: ['again'] }),
  );
  assert.is(answer[0], 'again');
  assert.is(connections, 2);
  emit('two');
  await eventually('two', () => heard.includes('two'));
  assert.equal(heard, ['one', 'two']);
});

test('no bus at all: a call ends at its deadline', async () => {
  const nowhere = makeBus(
    { connect: connectBus, clock: systemClock, log: silentLog },
    join(folder, 'nothing'),
  );
  assert.is(await codeOf(nowhere.call({ ...object, member: 'Echo' }, { timeoutMs: 400 })), 'bus.timed-out');
  nowhere.close();
});

test.run();
