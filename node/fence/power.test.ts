import * as assert from 'uvu/assert';
import { makeFakeClock } from '../../test/fakes/clock.ts';
import { refused } from '../../test/support/refused.ts';
import { suite } from '../../test/support/suite.ts';
import type { Run, RunResult } from '../command/run.ts';
import { type FenceDevice, fenceDeviceSchema } from '../contract/fence.ts';
import { makeLog } from '../log/log.ts';
import { makePowerFence, type PowerFence } from './power.ts';

const test = suite('switching a host off by its fence devices');

const host = '11111111-1111-4111-8111-111111111111';
const device = (number: number, order = 0): FenceDevice =>
  fenceDeviceSchema.parse({
    v: 1,
    id: `aaaaaaaa-aaaa-4aaa-8aaa-00000000000${number}`,
    host,
    agent: 'fence_apc',
    options: { ip: `10.0.0.${number}`, plug: '3' },
    secrets: { names: [], copies: {} },
    order,
    generation: 1,
  });

const says = (exitCode: number, stdout: string, stderr = ''): RunResult => ({ exitCode, stdout, stderr });
const ok = says(0, 'Success: Powered OFF\n');
const off = says(2, 'Status: OFF\n');
const on = says(0, 'Status: ON\n');
const dead = says(1, '', '2026-01-01 00:00:00,000 ERROR: Connection timed out\n');

/** What the device at each address answers, by turns; the last answer stays. `n` of `calls` is "10.0.0.n off". */
type World = Record<string, { off: RunResult[]; status: RunResult[]; takesMs?: number }>;

function open(world: World): {
  fence: PowerFence;
  calls: string[];
  advance(ms: number): Promise<void>;
  lines: string[];
} {
  const fake = makeFakeClock();
  const calls: string[] = [];
  const lines: string[] = [];
  const run: Run = async (argv, options) => {
    const input = String(options?.input);
    const ip = /ip="(.*)"/.exec(input)?.[1] ?? '';
    const action = /action="(off|status)"/.exec(input)?.[1] as 'off' | 'status';
    assert.is(argv.at(-1), '/usr/sbin/fence_apc');
    calls.push(`${ip} ${action}`);
    const answers = world[ip];
    if (answers === undefined) throw new Error(`nobody is at ${ip}`);
    await fake.clock.sleep(answers.takesMs ?? 100, options?.signal);
    const list = answers[action];
    return (list.length > 1 ? list.shift() : list[0]) ?? dead;
  };
  const fence = makePowerFence({
    run,
    clock: fake.clock,
    log: makeLog('test', (line) => lines.push(line)),
    openSecrets: () => ({ password: 'opensesame' }),
  });
  return { fence, calls, advance: fake.advance, lines };
}

const forever = new AbortController().signal;
const within = async <T>(world: ReturnType<typeof open>, work: Promise<T>): Promise<T> => {
  work.catch(() => {});
  await world.advance(600_000);
  return work;
};

test('off, and read back: that is the proof, and it says who saw what', async () => {
  const world = open({ '10.0.0.1': { off: [ok], status: [off] } });
  const proof = await within(world, world.fence.off([device(1)], forever));
  assert.equal(world.calls, ['10.0.0.1 off', '10.0.0.1 status']);
  assert.is(proof.says, 'fence_apc at 10.0.0.1, plug 3 says that it is off');
});

test('a device that says done and stays on is a liar, and no proof', async () => {
  const world = open({ '10.0.0.1': { off: [ok], status: [on] } });
  const error = await refused(within(world, world.fence.off([device(1)], forever)));
  assert.is(error.code, 'fence.lying');
  assert.match(error.message, /still says on/);
  assert.equal(world.calls.length, 4, 'tried twice');
});

test('an off that failed but worked is a proof: only the status counts', async () => {
  const world = open({ '10.0.0.1': { off: [dead], status: [off] } });
  await within(world, world.fence.off([device(1)], forever));
});

test('an on at first, off at the second try', async () => {
  const world = open({ '10.0.0.1': { off: [ok], status: [on, off] } });
  await within(world, world.fence.off([device(1)], forever));
  assert.equal(world.calls.length, 4);
});

test('silence is no proof', async () => {
  const world = open({ '10.0.0.1': { off: [dead], status: [dead] } });
  const error = await refused(within(world, world.fence.off([device(1)], forever)));
  assert.is(error.code, 'fence.no-proof');
  assert.match(error.message, /Connection timed out/);
});

test('exit code 2 without the word "off" is no proof: Python and shells end so too when used wrongly', async () => {
  for (const answer of [
    says(2, ''),
    says(2, 'usage: fence_apc'),
    says(0, 'Status: OFF\n'),
    says(2, 'Status: ON\n'),
  ]) {
    const world = open({ '10.0.0.1': { off: [ok], status: [answer] } });
    const error = await refused(within(world, world.fence.off([device(1)], forever)));
    assert.is(error.code, 'fence.no-proof', answer.stdout);
  }
});

test('two power supplies: both are switched off, and both must say so', async () => {
  const both = open({
    '10.0.0.1': { off: [ok], status: [off] },
    '10.0.0.2': { off: [ok], status: [off] },
  });
  const proof = await within(both, both.fence.off([device(1), device(2)], forever));
  assert.match(proof.says, /10\.0\.0\.1.* and .*10\.0\.0\.2.* say that it is off/);
  const one = open({
    '10.0.0.1': { off: [ok], status: [off] },
    '10.0.0.2': { off: [ok], status: [on] },
  });
  assert.is((await refused(within(one, one.fence.off([device(1), device(2)], forever)))).code, 'fence.lying');
});

test('two power supplies: one that came on again while the other was switched off is switched off again', async () => {
  const world = open({
    '10.0.0.1': { off: [ok], status: [off, on, off] },
    '10.0.0.2': { off: [ok], status: [off], takesMs: 5_000 },
  });
  await within(world, world.fence.off([device(1), device(2)], forever));
  // the last word of both came in one round, after all switching
  assert.equal(world.calls.slice(-2).sort(), ['10.0.0.1 status', '10.0.0.2 status']);
  assert.is(world.calls.filter((call) => call === '10.0.0.1 off').length, 2);
});

test('the next order has its turn only when the former failed', async () => {
  const good = open({
    '10.0.0.1': { off: [ok], status: [off] },
    '10.0.0.2': { off: [ok], status: [off] },
  });
  await within(good, good.fence.off([device(2, 1), device(1, 0)], forever));
  assert.not.ok(good.calls.some((call) => call.startsWith('10.0.0.2')));
  const bad = open({
    '10.0.0.1': { off: [dead], status: [dead] },
    '10.0.0.2': { off: [ok], status: [off] },
  });
  const proof = await within(bad, bad.fence.off([device(2, 1), device(1, 0)], forever));
  assert.match(proof.says, /10\.0\.0\.2/);
});

test('a refused password is not tried again', async () => {
  const no = says(1, '', 'ERROR: Authentication failed\n');
  const world = open({ '10.0.0.1': { off: [no], status: [no] } });
  const error = await refused(within(world, world.fence.off([device(1)], forever)));
  assert.is(error.code, 'fence.no-proof');
  assert.match(error.message, /refused the user or the password/);
  assert.equal(world.calls, ['10.0.0.1 off']);
});

test('a device that takes for ever is given up by the deadline of its order', async () => {
  const world = open({ '10.0.0.1': { off: [ok], status: [on], takesMs: 80_000 } });
  const error = await refused(within(world, world.fence.off([device(1)], forever)));
  assert.match(error.code, /^fence\./);
});

test('it ends when it is told to, with the reason that was given', async () => {
  const world = open({ '10.0.0.1': { off: [ok], status: [on], takesMs: 10_000 } });
  const stop = new AbortController();
  const work = world.fence.off([device(1), device(2, 1)], stop.signal);
  work.catch(() => {});
  await world.advance(5_000);
  stop.abort(new Error('another proof was faster'));
  await world.advance(1);
  let thrown: unknown;
  await work.catch((error: unknown) => {
    thrown = error;
  });
  assert.match(String(thrown), /another proof was faster/);
  assert.not.ok(world.calls.some((call) => call.startsWith('10.0.0.2')));
});

test('no device is told, devices of two hosts are a bug', async () => {
  const world = open({});
  assert.is((await refused(world.fence.off([], forever))).code, 'fence.no-device');
  const other = {
    ...device(2),
    host: fenceDeviceSchema.shape.host.parse('22222222-2222-4222-8222-222222222222'),
  };
  assert.is((await refused(world.fence.off([device(1), other], forever))).code, 'fence.mixed-hosts');
});

test('neither the log nor an error has the password in it, even when the agent says it', async () => {
  const chatty = says(1, 'login with opensesame', 'ERROR: opensesame is wrong\n');
  const world = open({ '10.0.0.1': { off: [chatty], status: [chatty] } });
  const error = await refused(within(world, world.fence.off([device(1)], forever)));
  assert.not.match(JSON.stringify([error.message, error.details, world.lines]), /opensesame/);
});

test.run();
