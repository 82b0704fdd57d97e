import * as assert from 'uvu/assert';
import { z } from 'zod';
import { assignmentOf, hostNames, readStore, runsOn, untilCalm } from '../../test/lab/ha.ts';
import { type LabHost, openLab } from '../../test/lab/lab.ts';
import { eventually } from '../../test/support/eventually.ts';
import { suite } from '../../test/support/suite.ts';
import { clusterDocumentSchema } from '../contract/cluster.ts';
import { etcdKeys } from '../contract/etcd.ts';
import { enginePriority, haKeys, haVmSchema } from '../contract/ha.ts';

/**
 * The engine in its VM, on real hosts. Nobody can log in to that VM, so the engine is made to stand still with all that is
 * in it: its QEMU is stopped by signal, and libvirt still calls it running.
 */
const test = suite('the engine stands still', { deadlineMs: 400_000 });
const lab = await openLab();
const first = lab.host('host1');
let vm: string;
let host: LabHost;

const signsSchema = z.object({ api: z.string(), channel: z.string(), run: z.string() });
const statusSchema = z.object({ observation: z.object({ engine: signsSchema.optional() }) });
async function signs(): Promise<z.infer<typeof signsSchema> | undefined> {
  const script = `require('http').request({socketPath:'/run/trefoil/ha.sock',path:'/status'},
    (answer) => { let text = ''; answer.on('data', (part) => { text += part; });
      answer.on('end', () => process.stdout.write(text)); }).end();`;
  const { stdout } = await host.exec(['/usr/lib/trefoil/node', '-e', script], { timeoutMs: 30_000 });
  return statusSchema.parse(JSON.parse(stdout)).observation.engine;
}
const isReady = async () => {
  const now = await signs();
  return now?.api === 'ready' && now.channel === 'ready' ? now : undefined;
};
const patience = { deadlineMs: 180_000, everyMs: 500 };
const pidOf = async () =>
  (await host.exec(['pgrep', '-f', `qemu.*${vm}`], { okExitCodes: [1] })).stdout.trim();

test.before(async () => {
  const names = await hostNames(first);
  const records = [...(await readStore(first, `${haKeys.prefix}vms/`)).values()];
  const engine = records
    .map((value) => haVmSchema.parse(value))
    .find(({ priority }) => priority === enginePriority);
  assert.ok(engine, 'the engine’s VM is an HA VM');
  vm = engine.id;
  await untilCalm(lab);
  const id = await eventually('the engine’s VM to run', () => runsOn(first, vm), patience);
  host = lab.host(names.get(id) ?? '');
});

test('the engine says that it is ready by both ways', async () => {
  await eventually('both ways to say so', isReady, patience);
});

test('an address that is not reached from its host alone changes nothing', async () => {
  const document = (await readStore(first, etcdKeys.cluster)).get(etcdKeys.cluster);
  const address = clusterDocumentSchema.parse(document).engine.address.split('/')[0] ?? '';
  const before = await pidOf();
  await host.exec(['ip', 'route', 'add', 'unreachable', `${address}/32`]);
  try {
    // Four times as long as one that stands still would have lived.
    let seen = 0;
    await eventually(
      'twenty looks at it',
      async () => {
        const now = await signs();
        assert.is(now?.channel, 'ready');
        if (now?.api === 'silent') seen += 1;
        return seen >= 20;
      },
      { deadlineMs: 90_000, everyMs: 1_000 },
    );
    assert.is(await pidOf(), before);
  } finally {
    await host.exec(['ip', 'route', 'del', 'unreachable', `${address}/32`]);
  }
  await eventually('its address to be reached again', isReady, patience);
});

test('one that stands still is started again in its place, in the same epoch, and answers', async () => {
  const [before, assigned] = [await pidOf(), await assignmentOf(first, vm)];
  const began = performance.now();
  await host.exec(['kill', '-STOP', ...before.split('\n')]);
  await eventually('another QEMU', async () => !['', before].includes(await pidOf()), patience);
  const restartedMs = performance.now() - began;
  await eventually('the engine to answer again', isReady, patience);
  const answeredMs = performance.now() - began;
  const seconds = (ms: number) => `${(ms / 1_000).toFixed(1)} s`;
  process.stdout.write(
    `measured: an engine that stands still is started again after ${seconds(restartedMs)}, answers after ${seconds(answeredMs)}\n`,
  );
  assert.equal(await assignmentOf(first, vm), assigned);
});

test.after(async () => {
  // A test that failed half-way must not leave it standing.
  await host?.exec(['pkill', '-CONT', '-f', `qemu.*${vm}`], { okExitCodes: [1] });
});

test.run();
