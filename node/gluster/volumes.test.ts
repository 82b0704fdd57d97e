import * as assert from 'uvu/assert';
import { suite } from '../../test/support/suite.ts';
import type { Run } from '../command/run.ts';
import { AppError } from '../contract/error.ts';
import type { GlusterVolumePut } from '../contract/storage.ts';
import { silentLog } from '../log/log.ts';
import { makeCli } from './cli.ts';
import { deleteVolume, ensureVolume } from './volumes.ts';

const test = suite('volumes');
const ok = (body = '') => `<cliOutput><opRet>0</opRet><opErrno>0</opErrno><opErrstr/>${body}</cliOutput>`;
const no = (errno: number, why: string) =>
  `<cliOutput><opRet>-1</opRet><opErrno>${errno}</opErrno><opErrstr>${why}</opErrstr></cliOutput>`;
const missing = no(30806, 'Volume does not exist');
const spec: GlusterVolumePut = {
  generation: 1,
  layout: { kind: 'replica-3' },
  bricks: ['10.0.0.1', '10.0.0.2', '10.0.0.3'].map((address) => ({ address, path: '/b/data' })),
  allowedAddresses: ['10.0.0.1', '10.0.0.2', '10.0.0.3'],
};

/** A glusterd of one volume that speaks XML; `faults` answer the next calls of a command instead of it. */
function world(faults: Record<string, string[]> = {}) {
  let volume: { bricks: string[]; started: boolean; options: Record<string, string> } | undefined;
  const calls: string[] = [];
  const sleeps: number[] = [];
  const answer = (words: string[]): string => {
    const verb = words[1] ?? '';
    calls.push(words.join(' '));
    const fault = faults[verb]?.shift();
    if (fault !== undefined) return fault;
    if (verb === 'create')
      volume = { bricks: words.slice(5).filter((word) => word !== 'force'), started: false, options: {} };
    if (volume === undefined) return missing;
    if (verb === 'start') {
      if (volume.started) return no(30800, 'Volume data already started');
      volume.started = true;
    }
    if (verb === 'stop') {
      if (!volume.started) return no(30800, 'Volume data is not in the started state');
      volume.started = false;
    }
    if (verb === 'delete') {
      if (volume.started)
        return no(30800, 'Volume data has been started. Volume needs to be stopped before deletion.');
      volume = undefined;
      return ok();
    }
    if (verb === 'set')
      for (let at = 3; at < words.length; at += 2) volume.options[words[at] ?? ''] = words[at + 1] ?? '';
    if (verb !== 'info') return ok();
    const bricks = volume.bricks
      .map((name) => `<brick><name>${name}</name><isArbiter>0</isArbiter></brick>`)
      .join('');
    const options = Object.entries(volume.options)
      .map(([name, value]) => `<option><name>${name}</name><value>${value}</value></option>`)
      .join('');
    return ok(
      `<volInfo><volumes><volume><name>data</name><id>1</id><status>${volume.started ? 1 : 0}</status>
      <brickCount>3</brickCount><replicaCount>3</replicaCount><arbiterCount>0</arbiterCount><disperseCount>0</disperseCount>
      <bricks>${bricks}</bricks><options>${options}</options></volume></volumes></volInfo>`,
    );
  };
  const run: Run = async (argv) => ({ exitCode: 0, stdout: answer(argv.slice(3)), stderr: '' });
  const clock = { now: () => 0, sleep: async (ms: number) => void sleeps.push(ms) };
  const env = { cli: makeCli({ run, clock, log: silentLog }), clock, log: silentLog };
  const ensure = (wanted = spec, forceRoot = false) => ensureVolume(env, 'data', wanted, { forceRoot });
  const remove = () => deleteVolume(env, 'data');
  return { ensure, remove, calls, sleeps };
}
const codeOf = async (work: Promise<unknown>) => {
  try {
    await work;
  } catch (error) {
    if (error instanceof AppError) return error.code;
    throw error;
  }
  return 'none';
};

test('a volume is created, set and started; the second time nothing is changed', async () => {
  const { ensure, calls } = world();
  await ensure();
  assert.ok(calls.some((call) => call.startsWith('volume create data replica 3 10.0.0.1:/b/data')));
  assert.is(calls.at(-1), 'volume start data');
  const before = calls.length;
  await ensure();
  assert.equal(calls.slice(before), ['volume info data']);
});

test('a busy cluster is waited for', async () => {
  const busy = no(30802, 'Another transaction is in progress for data. Please try again after some time.');
  const { ensure, sleeps } = world({ create: [busy, busy] });
  await ensure();
  assert.equal(sleeps, [300, 600]);
});

test('a volume of that name with other bricks is a conflict', async () => {
  const { ensure } = world();
  await ensure();
  const other = { ...spec, bricks: spec.bricks.map((brick) => ({ ...brick, path: '/c/data' })) };
  assert.is(await codeOf(ensure(other)), 'volume.different');
});

test('a brick that belongs to another volume is told as such, and nothing is forced', async () => {
  const { ensure, calls } = world({ create: [no(30800, '/b/data is already part of a volume')] });
  assert.is(await codeOf(ensure()), 'volume.brick-used');
  assert.not.ok(calls.some((call) => call.endsWith('force')));
});

test('one who was overtaken by another host goes on', async () => {
  const { ensure } = world({ info: [missing], create: [no(0, 'Volume data already exists')] });
  assert.is(await codeOf(ensure()), 'volume.different');
});

test('two who make it at once are both content; a start that Gluster really refuses is told', async () => {
  const { ensure } = world();
  await Promise.all([ensure(), ensure(), ensure()]);
  const down = world({ start: [no(30800, 'Brick not found')] });
  assert.is(await codeOf(down.ensure()), 'gluster.refused');
});

test('two who delete it at once are both content; what Gluster really refuses is told', async () => {
  const { ensure, remove, calls } = world();
  await ensure();
  await Promise.all([remove(), remove(), remove()]);
  assert.is(calls.at(-1), 'volume info data');
  const held = no(0, 'bricks are down');
  const stuck = world({ delete: [held, held, held] });
  await stuck.ensure();
  assert.is(await codeOf(stuck.remove()), 'gluster.refused');
});

test('bricks in incomplete sets are refused before anything is done', async () => {
  const { ensure, calls } = world();
  assert.is(await codeOf(ensure({ ...spec, bricks: spec.bricks.slice(0, 2) })), 'volume.bad-layout');
  assert.equal(calls, ['volume info data']);
});

test.run();
