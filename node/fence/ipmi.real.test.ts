import { type ChildProcess, spawn } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { chmod, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as assert from 'uvu/assert';
import { type BmcMode, type BmcPlan, simArgv, writeBmc } from '../../test/lab/bmc/sim.ts';
import { eventually } from '../../test/support/eventually.ts';
import { refused } from '../../test/support/refused.ts';
import { suite } from '../../test/support/suite.ts';
import { systemClock } from '../clock/clock.ts';
import { run } from '../command/run.ts';
import { type FenceDevice, fenceDeviceSchema } from '../contract/fence.ts';
import { makeLog } from '../log/log.ts';
import { makeAgents } from './agent.ts';
import { makePowerFence } from './power.ts';
import { powerTimings } from './power-decide.ts';

/** Debian's fence_ipmilan against OpenIPMI's simulator on loopback; the machine that it powers is a file. */
const test = suite('fencing by IPMI', { deadlineMs: 120_000 });
const password = 'op3n \'s"same\\';
const ipmitool = join(import.meta.dirname, '../../image/host/files/usr/lib/trefoil/ipmitool');
const agents = makeAgents({ run, ipmitool });
const limits = { timeoutMs: 20_000 };
let folder = '';
let bmc: { plan: BmcPlan; child: ChildProcess } | undefined;

async function freeUdpPort(): Promise<number> {
  const socket = createSocket('udp4');
  socket.bind(0, '127.0.0.1');
  await once(socket, 'listening');
  const { port } = socket.address();
  await new Promise<void>((closed) => socket.close(closed));
  return port;
}

async function start(mode: BmcMode, seconds = 1): Promise<BmcPlan> {
  const powerFile = join(folder, 'power');
  await writeFile(powerFile, 'on');
  const plan: BmcPlan = {
    folder,
    name: 'host1',
    address: '127.0.0.1',
    port: await freeUdpPort(),
    username: 'admin',
    password: 'op3nsesame',
    power: { get: `grep -q on ${powerFile}`, on: `echo on > ${powerFile}`, off: `echo cut > ${powerFile}` },
  };
  await writeBmc(plan, mode, seconds);
  const [tool, ...args] = simArgv(plan);
  const child = spawn(tool, args, { cwd: folder, stdio: 'ignore' });
  await once(child, 'spawn');
  bmc = { plan, child };
  if (mode === 'dead') child.kill('SIGSTOP');
  else
    await eventually(
      'the BMC to listen',
      async () => (await run(['ss', '-Hlun', `sport = :${plan.port}`])).stdout.trim() !== '',
    );
  return plan;
}

const callOf = (plan: BmcPlan, lanplus = '1') => ({
  agent: 'fence_ipmilan',
  options: {
    ip: plan.address,
    ipport: `${plan.port}`,
    username: plan.username,
    lanplus,
    // the simulator does not say which it has, and ipmitool asks for 10 s
    ...(lanplus === '1' ? { cipher: '3' } : {}),
  },
  secrets: { password: plan.password },
});
const deviceOf = (plan: BmcPlan, agent = 'fence_ipmilan'): FenceDevice =>
  fenceDeviceSchema.parse({
    id: 'aaaaaaaa-aaaa-4aaa-8aaa-000000000001',
    host: '11111111-1111-4111-8111-111111111111',
    agent,
    options: agent === 'fence_ipmilan' ? callOf(plan).options : {},
    secrets: { names: [], copies: {} },
    order: 0,
    generation: 1,
  });
const lines: string[] = [];
const fenceWith = (plan: BmcPlan, directory?: string) =>
  makePowerFence({
    run,
    clock: systemClock,
    log: makeLog('test', (line) => lines.push(line)),
    openSecrets: () => callOf(plan).secrets,
    timings: { ...powerTimings, offMs: 12_000, statusMs: 8_000, orderMs: 40_000 },
    agents: { ipmitool, ...(directory === undefined ? {} : { directory }) },
  });
const hasPower = async () => (await readFile(join(folder, 'power'), 'utf8')).trim() === 'on';
const forever = new AbortController().signal;

test.beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'trefoil-bmc-'));
});
test.afterEach(async () => {
  if (bmc !== undefined) {
    const { child } = bmc;
    bmc = undefined;
    if (child.exitCode === null) {
      const gone = once(child, 'exit');
      child.kill('SIGKILL');
      await gone;
    }
  }
  await rm(folder, { recursive: true, force: true });
});

test('status, off, on: by IPMI 2.0 and 1.5, and the machine follows', async () => {
  const plan = await start('ok');
  for (const lanplus of ['1', '0']) {
    assert.is(await agents.status(callOf(plan, lanplus), limits), 'on');
    await agents.off(callOf(plan, lanplus), limits);
    assert.not.ok(await hasPower());
    assert.is(await agents.status(callOf(plan, lanplus), limits), 'off');
    await agents.on(callOf(plan, lanplus), limits);
    assert.is(await agents.status(callOf(plan, lanplus), limits), 'on');
  }
  await agents.monitor(callOf(plan), limits);
});

test('off and read back is the proof; already off is one too', async () => {
  const plan = await start('ok');
  for (const _ of ['on', 'already off']) {
    const { says } = await fenceWith(plan).off([deviceOf(plan)], forever);
    assert.is(says, 'fence_ipmilan at 127.0.0.1 says that it is off');
    assert.not.ok(await hasPower());
  }
});

test('the password is in no argument of any process, and in no line of the log', async () => {
  const plan = await start('ok');
  let done = false;
  const work = fenceWith(plan)
    .off([deviceOf(plan)], forever)
    .finally(() => {
      done = true;
    });
  const seen = new Set<string>();
  await eventually(
    'the fencing to be done',
    async () => {
      for (const pid of (await readdir('/proc')).filter((name) => /^\d+$/.test(name))) {
        const line = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '');
        if (/ipmi/.test(line) && !line.startsWith('ipmi_sim')) seen.add(line.replaceAll('\0', ' '));
      }
      return done;
    },
    { deadlineMs: 60_000, everyMs: 5 },
  );
  await work;
  assert.ok(
    [...seen].some((line) => /fence_ipmilan/.test(line)),
    'the agent was seen',
  );
  assert.ok(
    [...seen].some((line) => /ipmitool .*-U admin/.test(line)),
    `ipmitool was seen: ${[...seen]}`,
  );
  assert.not.match([...seen, ...lines].join('\n'), /op3nsesame/);
});

test('a wrong password is a failure, whatever it has in it', async () => {
  const plan = await start('wrong-password');
  assert.match((await refused(agents.status(callOf(plan), limits))).code, /^fence\.(failed|login-refused)$/);
  const odd = { ...callOf(plan), secrets: { password } };
  assert.match((await refused(agents.status(odd, limits))).code, /^fence\.(failed|login-refused)$/);
  assert.ok(await hasPower());
});

test('a dead BMC is no proof, and does not hold up for ever', async () => {
  const plan = await start('dead');
  const error = await refused(fenceWith(plan).off([deviceOf(plan)], forever));
  assert.is(error.code, 'fence.no-proof');
  assert.ok(await hasPower());
});

test('a slow BMC works in the end', async () => {
  const plan = await start('slow', 1);
  await fenceWith(plan).off([deviceOf(plan)], forever);
  assert.not.ok(await hasPower());
});

test('a BMC that says "done" and leaves the machine on is no proof', async () => {
  const plan = await start('lying');
  const error = await refused(fenceWith(plan).off([deviceOf(plan)], forever));
  assert.match(error.code, /^fence\.(lying|no-proof)$/);
  assert.ok(await hasPower());
});

test('agents that print garbage, hang, or end as if they were used wrongly prove nothing, and leave no process', async () => {
  const plan = await start('ok');
  const mark = `${3_600 + Math.floor(Math.random() * 10_000)}.25`;
  const scripts = {
    fence_garbage: 'head -c 100000 /dev/urandom; exit 0',
    fence_two: 'exit 2',
    fence_hang: `sleep ${mark} & sleep ${mark}`,
    fence_stubborn: `trap "" TERM; while :; do sleep ${mark}; done`,
    fence_echo: 'cat >&2; exit 1',
  };
  for (const [name, script] of Object.entries(scripts)) {
    await writeFile(join(folder, name), `#!/bin/bash\n${script}\n`);
    await chmod(join(folder, name), 0o755);
  }
  const own = makeAgents({ run, directory: folder });
  const call = (agent: string) => ({ agent, options: {}, secrets: { password } });
  const short = { timeoutMs: 1_000 };
  const expected = {
    fence_garbage: 'fence.unreadable',
    fence_two: 'fence.unreadable',
    fence_hang: 'fence.hung',
    fence_stubborn: 'fence.hung',
    fence_missing: 'fence.agent-missing',
    fence_echo: 'fence.failed',
  };
  for (const [agent, code] of Object.entries(expected)) {
    const error = await refused(own.status(call(agent), short));
    assert.is(error.code, code, agent);
    assert.not.ok(JSON.stringify([error.message, error.details]).includes('op3n'), agent);
  }
  await eventually('what the agents started to be gone', async () => {
    const { stdout } = await run(['ps', '-eo', 'args']);
    return !stdout.includes(`sleep ${mark}`);
  });
  const error = await refused(fenceWith(plan, folder).off([deviceOf(plan, 'fence_two')], forever));
  assert.is(error.code, 'fence.no-proof');
});

test('it ends at once when another proof was faster', async () => {
  const plan = await start('dead');
  const stop = new AbortController();
  const began = performance.now();
  const work = fenceWith(plan).off([deviceOf(plan)], stop.signal);
  work.catch(() => {});
  setTimeout(() => stop.abort(new Error('storage fencing was faster')), 500);
  let thrown: unknown;
  await work.catch((error: unknown) => {
    thrown = error;
  });
  assert.match(String(thrown), /storage fencing was faster/);
  assert.ok(performance.now() - began < 5_000);
});

test.run();
