import * as assert from 'uvu/assert';
import { eventually } from '../../test/support/eventually.ts';
import { suite } from '../../test/support/suite.ts';
import { systemClock } from '../clock/clock.ts';
import { AppError } from '../contract/error.ts';
import { silentLog } from '../log/log.ts';
import type { Bus, SignalMatch } from './bus.ts';
import type { BusCall, BusSignal } from './connection.ts';
import { makeUnits } from './units.ts';

const test = suite('systemd units');

type Fake = {
  bus: Bus;
  calls: string[];
  units: Map<string, { ActiveState: string; SubState: string; Result?: string }>;
  /** what a job does: its result, and when it is told */
  jobs: (member: string, unit: string) => { result: string; tell: 'before-reply' | 'after-reply' | 'never' };
  emit(signal: Omit<BusSignal, 'sender'>): void;
  reconnect(): void;
};

function makeFake(): Fake {
  const listeners = new Set<{ match: SignalMatch; listener: (signal: BusSignal) => void }>();
  const connected = new Set<() => void>();
  const fake: Fake = {
    calls: [],
    units: new Map(),
    jobs: () => ({ result: 'done', tell: 'after-reply' }),
    emit(signal) {
      for (const { match, listener } of listeners)
        if (match.member === signal.member && (match.path ?? signal.path) === signal.path)
          listener({ sender: ':1.1', ...signal });
    },
    reconnect: () => connected.forEach((listener) => void listener()),
    bus: {
      call: (call) => answer(call),
      async subscribe(match, listener) {
        const entry = { match, listener };
        listeners.add(entry);
        return () => void listeners.delete(entry);
      },
      onConnected(listener) {
        connected.add(listener);
        return () => void connected.delete(listener);
      },
      close() {},
    },
  };
  let serial = 0;
  const removed = (job: string, unit: string, result: string) =>
    fake.emit({
      path: '/org/freedesktop/systemd1',
      interface: 'org.freedesktop.systemd1.Manager',
      member: 'JobRemoved',
      body: [1, job, unit, result],
    });
  const answer = async (call: BusCall): Promise<readonly unknown[]> => {
    const [first] = call.body ?? [];
    fake.calls.push([call.member, ...(typeof first === 'string' ? [first] : [])].join(' '));
    if (call.member === 'GetAll') {
      const unit = call.path.replace('/org/freedesktop/systemd1/unit/', '').replaceAll('_2e', '.');
      const state = fake.units.get(unit);
      return [
        {
          Id: unit,
          LoadState: state === undefined ? 'not-found' : 'loaded',
          ActiveState: 'inactive',
          SubState: 'dead',
          ...state,
        },
      ];
    }
    if (call.member === 'Get')
      throw new AppError({ code: 'bus.refused', family: 'conflict', message: 'no such job' });
    if (call.member.endsWith('Unit') && typeof first === 'string') {
      serial += 1;
      const job = `/org/freedesktop/systemd1/job/${serial}`;
      const { result, tell } = fake.jobs(call.member, first);
      if (tell === 'before-reply') removed(job, first, result);
      if (tell === 'after-reply') setTimeout(() => removed(job, first, result), 5);
      return [job];
    }
    return [];
  };
  return fake;
}

const units = (fake: Fake) => makeUnits({ bus: fake.bus, clock: systemClock, log: silentLog });
const refusal = async (work: Promise<unknown>): Promise<AppError> => {
  const error = await work.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  if (error instanceof AppError) return error;
  throw new Error(`expected a refusal, got ${String(error)}`);
};

test('a start returns when its job is done, whichever comes first, the answer or the signal', async () => {
  for (const tell of ['after-reply', 'before-reply'] as const) {
    const fake = makeFake();
    fake.jobs = () => ({ result: 'done', tell });
    await units(fake).start('a.service');
    assert.equal(fake.calls, ['Subscribe', 'StartUnit a.service']);
  }
});

test('a failed job says why, and where to look', async () => {
  const fake = makeFake();
  fake.jobs = () => ({ result: 'dependency', tell: 'after-reply' });
  const error = await refusal(units(fake).start('a.service'));
  assert.is(error.code, 'unit.job-failed');
  assert.is(error.message, 'a.service could not be started: a unit that it needs failed.');
  assert.match(error.remedy ?? '', 'journalctl -u a.service');
});

test('a result that was never told is taken from the unit', { deadlineMs: 10_000 }, async () => {
  const fake = makeFake();
  fake.jobs = () => ({ result: 'done', tell: 'never' });
  fake.units.set('a.service', { ActiveState: 'active', SubState: 'running' });
  const ours = units(fake);
  await ours.start('a.service');
  assert.is((await refusal(ours.stop('a.service'))).code, 'unit.job-failed');
});

test('the result of another job is not taken for ours', async () => {
  const fake = makeFake();
  fake.jobs = (_, unit) => ({ result: unit === 'bad.service' ? 'failed' : 'done', tell: 'after-reply' });
  const ours = units(fake);
  const [good, bad] = await Promise.allSettled([ours.start('good.service'), ours.start('bad.service')]);
  assert.is(good.status, 'fulfilled');
  assert.is(bad.status, 'rejected');
});

test('status', async () => {
  const fake = makeFake();
  fake.units.set('a.service', { ActiveState: 'failed', SubState: 'failed', Result: 'exit-code' });
  const status = await units(fake).status('a.service');
  assert.is(status.activeState, 'failed');
  assert.is(status.result, 'exit-code');
  assert.is((await units(fake).status('b.service')).loadState, 'not-found');
});

test('watch tells each state once, also one that changed while the bus was away', async () => {
  const fake = makeFake();
  fake.units.set('a.service', { ActiveState: 'inactive', SubState: 'dead' });
  const told: string[] = [];
  const stop = await units(fake).watch('a.service', (status) => told.push(status.activeState));
  const changed = () =>
    fake.emit({
      path: '/org/freedesktop/systemd1/unit/a_2eservice',
      interface: 'org.freedesktop.DBus.Properties',
      member: 'PropertiesChanged',
      body: [],
    });
  changed();
  fake.units.set('a.service', { ActiveState: 'active', SubState: 'running' });
  changed();
  changed();
  await eventually('active', () => told.includes('active'));
  fake.units.set('a.service', { ActiveState: 'failed', SubState: 'failed' });
  fake.reconnect();
  await eventually('failed', () => told.includes('failed'));
  assert.equal(told, ['inactive', 'active', 'failed']);
  stop();
  fake.units.set('a.service', { ActiveState: 'active', SubState: 'running' });
  changed();
  await eventually('settled', () => true);
  assert.is(told.length, 3);
});

test.run();
