import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import * as assert from 'uvu/assert';
import { type Run, run } from '../../../node/command/run.ts';
import { makeAgents } from '../../../node/fence/agent.ts';
import { eventually } from '../../support/eventually.ts';
import { refused } from '../../support/refused.ts';
import { suite } from '../../support/suite.ts';
import { isPopulated, makeCgroup } from '../cgroup.ts';
import { takeClaim } from '../claim.ts';
import { makeNetworks, plugIn, setLinks } from '../network.ts';
import { planLab, repoRoot } from '../plan.ts';
import { startRecorded } from '../process.ts';
import { remains, removeFiles, sweep } from '../sweep.ts';
import { bmcAddress, bmcState, bmcVerb } from './bmc.ts';

/** The lab's networks and BMCs with hosts that are one process each: no image is needed for that. */
const test = suite("the lab's BMCs", { deadlineMs: 120_000 });
const plan = planLab({ prefix: 'bmctest', hosts: 2 });
const [host1, host2] = plan.hosts;
if (host1 === undefined || host2 === undefined) throw new Error('the plan has two hosts');

/** As from within a host: its own network and nothing else. */
const onHost2: Run = ([tool, ...args], options) =>
  run(['nsenter', `--net=/run/netns/${host2.machine}`, tool, ...args], options);
const agents = makeAgents({
  run: onHost2,
  ipmitool: join(repoRoot, 'image/host/files/usr/lib/trefoil/ipmitool'),
});
const limits = { timeoutMs: 30_000 };
const call = {
  agent: 'fence_ipmilan',
  options: { ip: bmcAddress(host1), username: 'admin', lanplus: '1', cipher: '3' },
  secrets: { password: 'bmc-of-host1' },
};
const said: string[] = [];
const bmc = (...words: string[]) => bmcVerb(plan, words, (text) => void said.push(text));

test.beforeEach(async () => {
  await sweep(plan);
  await removeFiles(plan);
  await takeClaim(plan);
  await mkdir(plan.folder, { recursive: true });
  await makeNetworks(plan);
  for (const host of plan.hosts) await plugIn(plan, host);
  await setLinks(plan, host2, 'up');
  const inHost2 = (...args: string[]) => run(['ip', '-n', host2.machine, ...args]);
  await inHost2('link', 'set', 'mgmt0', 'up');
  await inHost2('address', 'add', `${host2.address}/24`, 'dev', 'mgmt0');
  await startRecorded(plan.runFolder, host1.machine, ['sleep', '3600'], {
    cgroups: await makeCgroup(`${plan.prefix}/${host1.machine}`),
    output: join(plan.folder, 'host1.log'),
  });
  await eventually('the process to be in its group', () => isPopulated(`${plan.prefix}/${host1.machine}`));
});
test.afterEach(async () => {
  await sweep(plan);
  assert.equal(await remains(plan), []);
  await removeFiles(plan);
});

test('another host sees that it is on, switches it off, and all of its processes are gone', async () => {
  await bmc('start');
  await eventually('the BMC to answer', async () => (await agents.status(call, limits)) === 'on', {
    deadlineMs: 60_000,
  });
  assert.ok(await isPopulated(`${plan.prefix}/${host1.machine}`));
  await agents.off(call, limits);
  assert.not.ok(await isPopulated(`${plan.prefix}/${host1.machine}`));
  assert.is(await agents.status(call, limits), 'off');
});

test('a lying one switches nothing off; a dead one says nothing, and is killed with the lab', async () => {
  await bmc('host1', 'lying');
  await eventually('the BMC to answer', async () => (await agents.status(call, limits)) === 'on', {
    deadlineMs: 60_000,
  });
  await refused(agents.off({ ...call, options: { ...call.options, power_timeout: '3' } }, limits));
  assert.ok(await isPopulated(`${plan.prefix}/${host1.machine}`));
  await bmc('host1', 'dead');
  await refused(agents.status(call, { timeoutMs: 3_000 }));
  await bmc('ls');
  assert.match(said.join('\n'), /host1 {2}10\.77\.0\.211 .*dead\nhost2 .*not started/);
});

test('one that was never started is not there, and a verb that is none is refused', async () => {
  assert.is(await bmcState(plan, host1), 'not started');
  let thrown: unknown;
  await bmc('host1', 'rude').catch((error: unknown) => {
    thrown = error;
  });
  assert.match(String(thrown), /false-off/);
});

test.run();
