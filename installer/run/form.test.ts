import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as assert from 'uvu/assert';
import { clusterDocumentSchema } from '../../node/contract/cluster.ts';
import { etcdKeys } from '../../node/contract/etcd.ts';
import { makeFakeEnv } from '../../test/fakes/formation/env.ts';
import { type FakeWorld, keptState, makeFakeWorld } from '../../test/fakes/hosts/model.ts';
import { alikeHosts, answersFor, practicePassword, soundAnswers } from '../../test/fakes/hosts/practice.ts';
import { suite } from '../../test/support/suite.ts';
import type { AnswersInput } from '../contract/answers.ts';
import type { FormationEnv, Progress } from './env.ts';
import { form, undo } from './form.ts';

const test = suite('formation', { deadlineMs: 100_000 });
let directory = '';
let count = 0;
test.before(async () => {
  directory = await mkdtemp(join(existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), 'formation-'));
});
test.after(() => rm(directory, { recursive: true }));

const { signal } = new AbortController();

async function setUp(hosts: number, change: (answers: AnswersInput) => AnswersInput = (same) => same) {
  const world = await makeFakeWorld(alikeHosts(hosts));
  count += 1;
  const events: Progress[] = [];
  const env = makeFakeEnv(world, {
    directory: join(directory, String(count)),
    progress: (event) => events.push(event),
  });
  const answers = soundAnswers(change(answersFor(world)));
  const go = (options: Partial<Parameters<typeof form>[1]> = {}) =>
    form(env, { answers, dryRun: false, signal, ...options });
  return { world, env, answers, events, go };
}

const failed = (promise: Promise<unknown>) =>
  promise.then(
    (value) => assert.unreachable(`did not fail: ${JSON.stringify(value).slice(0, 300)}`),
    (error) => error,
  );
const secretsOf = (env: FormationEnv) => join(env.directory, 'secrets.json');
const isFormed = (world: FakeWorld) =>
  clusterDocumentSchema.parse(JSON.parse(world.etcd.get(etcdKeys.cluster) ?? '{}'));

for (const [name, hosts, role] of [
  ['one host', 1, 'full'],
  ['two hosts and a witness', 3, 'arbiter'],
  ['three hosts', 3, 'full'],
  ['seven hosts', 7, 'full'],
] as const)
  test(`forms a cluster of ${name}`, async () => {
    const { world, go, env, events } = await setUp(hosts, (answers) => ({
      ...answers,
      hosts: answers.hosts.map((host, index) => (index === 2 ? { ...host, role } : host)),
    }));
    const result = await go();
    assert.is(result.kind, 'formed');
    assert.is(isFormed(world).name, 'practice');
    assert.ok(world.hosts.every((host) => host.kept.join !== undefined));
    const states = events.flatMap((event) => (event.event === 'step' ? [event.state] : []));
    assert.is(
      states.filter((state) => state === 'running').length,
      states.filter((state) => state === 'done').length,
    );
    assert.not(existsSync(secretsOf(env)), 'no secret is left');
    const journal = await readFile(join(env.directory, 'journal.json'), 'utf8');
    assert.not.match(journal, practicePassword);
    assert.not.match(journal, 'PRIVATE KEY');
  });

test('formed once, it says so; with other answers it refuses', async () => {
  const { go, world, answers } = await setUp(1);
  await go();
  const before = JSON.stringify(keptState(world));
  assert.is((await go()).kind, 'formed');
  assert.is((await go({ answers: undefined })).kind, 'formed');
  const other = await failed(go({ answers: { ...answers, cluster: { name: 'other' } } }));
  assert.is(other.code, 'formation.formed');
  assert.is(JSON.stringify(keptState(world)), before);
});

test('a dry run changes nothing and leaves no journal', async () => {
  const { go, world, env } = await setUp(3);
  const before = JSON.stringify(keptState(world));
  const result = await go({ dryRun: true });
  assert.is(result.kind, 'plan');
  assert.is(JSON.stringify(keptState(world)), before);
  assert.not(existsSync(env.directory));
});

test('without answers it goes on, and cannot begin', async () => {
  const { go } = await setUp(3);
  assert.is((await failed(go({ answers: undefined }))).code, 'formation.none');
  assert.is((await go({ stopAfter: 'bricks' })).kind, 'stopped');
  assert.is((await go({ answers: undefined })).kind, 'formed');
});

test('with other answers or another password it does not go on', async () => {
  const { go, answers } = await setUp(3);
  await go({ stopAfter: 'time' });
  for (const other of [
    { ...answers, cluster: { name: 'other' } },
    { ...answers, admin: { name: 'admin', password: 'twelve red herons' } },
  ])
    assert.is((await failed(go({ answers: other }))).code, 'formation.other-answers');
  assert.is((await go()).kind, 'formed');
});

test("the authority's key goes from the secrets to the store", async () => {
  const { go, env, world } = await setUp(3);
  await go({ stopAfter: 'mounts' });
  assert.match(await readFile(secretsOf(env), 'utf8'), 'authorityKey');
  await go({ stopAfter: 'declare' });
  assert.not.match(await readFile(secretsOf(env), 'utf8'), 'authorityKey');
  assert.match(world.etcd.get(etcdKeys.caKey) ?? '', 'PRIVATE KEY');
});

test('undo after each step leaves nothing, until the cluster is declared', async () => {
  const { go, answers } = await setUp(3);
  const result = await go({ dryRun: true });
  const steps = result.kind === 'plan' ? result.plan.steps : [];
  const final = steps.findIndex((step) => step.kind === 'declare');
  for (const [index, step] of steps.entries()) {
    const fresh = await setUp(3);
    const before = JSON.stringify(keptState(fresh.world));
    await fresh.go({ stopAfter: step.id, answers });
    if (index < final) {
      await undo(fresh.env, signal);
      assert.is(JSON.stringify(keptState(fresh.world)), before, `after ${step.id}`);
      assert.not(existsSync(fresh.env.directory), `journal after ${step.id}`);
    } else assert.is((await failed(undo(fresh.env, signal))).code, 'formation.final', `after ${step.id}`);
  }
});

test('there is nothing to undo where nothing was begun', async () => {
  const { env } = await setUp(1);
  assert.is((await failed(undo(env, signal))).code, 'formation.none');
});

test('lost answers and short outages are outlived', async () => {
  const { go, world } = await setUp(3);
  for (const host of world.hosts) {
    host.faults.putTime = { kind: 'lose', times: 1 };
    host.faults.putNetwork = { kind: 'lose', times: 1 };
    host.faults.putEtcd = { kind: 'refuse', times: 1 };
    host.faults.finishPairing = { kind: 'lose', times: 1 };
    host.faults.putVolume = { kind: 'lose', times: 1 };
    host.faults.putVm = { kind: 'lose', times: 1 };
  }
  assert.is((await go()).kind, 'formed');
});

test('a step that fails for good stops, tells, and can be gone on with', async () => {
  const { go, world, events } = await setUp(3);
  const [, second] = world.hosts;
  if (second === undefined) throw new Error('no second host');
  second.faults.putBrick = {
    kind: 'refuse',
    error: { code: 'disk.failed', family: 'conflict', message: 'The disk does not take writes.' },
  };
  const error = await failed(go());
  assert.is(error.message, 'The disk does not take writes.');
  assert.ok(
    events.some((event) => event.event === 'step' && event.state === 'failed' && event.id === 'bricks'),
  );
  second.faults = {};
  assert.is((await go()).kind, 'formed');
});

test.run();
