import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as assert from 'uvu/assert';
import { WorldEtcd } from '../../test/fakes/etcd/world-etcd.ts';
import { makeFakeEnv } from '../../test/fakes/formation/env.ts';
import { type FakeWorld, keptState, makeFakeWorld } from '../../test/fakes/hosts/model.ts';
import { alikeHosts, answersFor, soundAnswers } from '../../test/fakes/hosts/practice.ts';
import { suite } from '../../test/support/suite.ts';
import type { Answers } from '../contract/answers.ts';
import { lockFormation } from '../journal/lock.ts';
import { form } from './form.ts';

/** What a person can get wrong: each ends in one plain sentence, and nothing was changed. */
const test = suite('formation, wrongly asked for', { deadlineMs: 60_000 });
let directory = '';
let count = 0;
test.before(async () => {
  directory = await mkdtemp(join(tmpdir(), 'formation-'));
});
test.after(() => rm(directory, { recursive: true }));
const { signal } = new AbortController();

const setUp = async (change: (world: FakeWorld, second: FakeWorld['hosts'][number]) => void) => {
  const world = await makeFakeWorld(alikeHosts(3));
  const [, second] = world.hosts;
  if (second === undefined) throw new Error('no second host');
  const answers = soundAnswers(answersFor(world));
  change(world, second);
  count += 1;
  const env = makeFakeEnv(world, { directory: join(directory, String(count)) });
  return { world, env, answers };
};

const cases: [string, Parameters<typeof setUp>[0], string][] = [
  [
    'a used disk',
    (_, second) =>
      second.options.disks?.forEach((disk) => {
        if (disk.use === 'free') Object.assign(disk, { use: 'holds-data', contents: 'ext4 file system' });
      }),
    "host2 has no free disk: HOST2-VDA (64 GiB) is the system's; HOST2-VDB (500 GiB) holds data.",
  ],
  [
    'a wrong pairing code',
    (_, second) => Object.assign(second, { code: 'ZZZZZZZZ' }),
    'The pairing code of host2 is not the one that it shows now.',
  ],
  [
    'a host with another version',
    (_, second) => Object.assign(second.options, { version: '0.2.0' }),
    'host2 runs version 0.2.0, this host runs 0.1.0.',
  ],
  [
    'a full disk',
    (_, second) => Object.assign(second.options, { systemFreeMiB: 5 }),
    'The system disk of host2 is full.',
  ],
  [
    'an unreachable host',
    (_, second) => Object.assign(second, { powered: false }),
    'host2 cannot be reached.',
  ],
];

for (const [name, change, sentence] of cases)
  test(name, async () => {
    const { world, env, answers } = await setUp(change);
    const before = JSON.stringify(keptState(world));
    const codes = world.hosts.map((host) => host.code);
    const result = await form(env, { answers, dryRun: false, signal });
    assert.is(result.kind, 'problems');
    if (result.kind !== 'problems') return;
    assert.equal(
      result.problems.map((problem) => problem.reason),
      [sentence],
    );
    assert.is(JSON.stringify(keptState(world)), before);
    assert.equal(
      world.hosts.map((host) => host.code),
      codes,
      'the codes stay good',
    );
    assert.not(existsSync(env.directory));
  });

test('several things wrong are told together', async () => {
  const { env, answers } = await setUp((world, second) => {
    Object.assign(second.options, { version: '0.2.0' });
    Object.assign(world.hosts[2] ?? {}, { powered: false });
    Object.assign(world.hosts[0]?.options ?? {}, { memoryMiB: 512 });
  });
  const result = await form(env, { answers, dryRun: false, signal });
  assert.equal(result.kind === 'problems' ? result.problems.map((problem) => problem.code) : [], [
    'host.other-version',
    'host.unreachable',
    'host.memory',
  ]);
});

test('two formations at once on one host', async () => {
  const lock = await lockFormation(join(directory, 'locked'));
  const error = await lockFormation(join(directory, 'locked')).catch((thrown) => thrown);
  await lock.release();
  assert.is(error.message, 'Another formation is at work on this host.');
});

test('two formations at once that want the same host: one gets it, the other takes back all it did', async () => {
  const world = await makeFakeWorld(alikeHosts(4));
  const [one, two, shared, spare] = world.hosts;
  if (one === undefined || two === undefined || shared === undefined || spare === undefined)
    throw new Error('four hosts are needed');
  // Each sees the world with its own first host; they share hosts 3 and 4.
  const viewOf = (first: typeof one): FakeWorld => ({ ...world, hosts: [first, spare, shared] });
  const answersOf = (view: FakeWorld): Answers => soundAnswers(answersFor(view));
  const [left, right] = [viewOf(one), viewOf(two)];
  const ofTwo = () =>
    JSON.stringify(keptState({ ...world, hosts: [two], volumes: new Map(), etcd: new WorldEtcd() }));
  const untouched = ofTwo();
  let reached = () => {};
  const atPairing = new Promise<void>((resolve) => {
    reached = resolve;
  });
  let free = () => {};
  const leftDone = new Promise<void>((resolve) => {
    free = resolve;
  });
  const envs = {
    left: makeFakeEnv(left, { directory: join(directory, 'left') }),
    right: makeFakeEnv(right, {
      directory: join(directory, 'right'),
      // The right one has looked at all hosts and found them free; then the left one takes them.
      checkpoint: async (step, when) => {
        if (step !== 'pair-host4' || when !== 'before') return;
        reached();
        await leftDone;
      },
    }),
  };
  const rightAnswers = answersOf(right);
  const leftAnswers = answersOf(left);
  const rightRun = form(envs.right, { answers: rightAnswers, dryRun: false, signal }).catch((error) => error);
  await atPairing;
  const leftResult = await form(envs.left, { answers: leftAnswers, dryRun: false, signal });
  free();
  assert.is(leftResult.kind, 'formed');
  const error = await rightRun;
  assert.is(error.message, 'host4 has meanwhile joined another cluster.');
  assert.is(ofTwo(), untouched);
  assert.not(existsSync(envs.right.directory));
  const cluster = JSON.stringify(shared.kept.join?.clusterId);
  assert.is(cluster, JSON.stringify(one.kept.join?.clusterId));
});

test.run();
