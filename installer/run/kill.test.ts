import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as assert from 'uvu/assert';
import { type Death, makeFakeEnv } from '../../test/fakes/formation/env.ts';
import { type FakeWorld, keptState, makeFakeWorld } from '../../test/fakes/hosts/model.ts';
import { alikeHosts, answersFor, soundAnswers } from '../../test/fakes/hosts/practice.ts';
import { suite } from '../../test/support/suite.ts';
import { form, undo } from './form.ts';

/**
 * The installer is killed at every step and at every request that it makes, before it and after it was carried out, and
 * started again. A killed run never comes back from its next call: like a process that is gone, it changes nothing more.
 */
const test = suite('formation, killed', { deadlineMs: 110_000 });
/** 1 with FULL=1; else every so many requests are tried, another choice in each file */
const stride = process.env['FULL'] === '1' ? 1 : 13;
let directory = '';
let count = 0;
test.before(async () => {
  directory = await mkdtemp(join(existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), 'formation-'));
});
test.after(() => rm(directory, { recursive: true }));

const { signal } = new AbortController();
const hosts = 3;

type Killing = { at: (point: string) => boolean };

async function runOnce(world: FakeWorld, folder: string, killing?: Killing): Promise<'killed' | 'formed'> {
  const death: Death = { dead: false };
  let killed = () => {};
  const ended = new Promise<'killed'>((resolve) => {
    killed = () => resolve('killed');
  });
  const maybe = (point: string) => {
    if (killing?.at(point) !== true) return;
    death.dead = true;
    killed();
  };
  const env = makeFakeEnv(world, {
    directory: folder,
    death,
    checkpoint: async (step, when) => maybe(`${step}:${when}`),
  });
  world.onRequest = (_, name, when) => maybe(`request ${name}:${when}`);
  const answers = soundAnswers(answersFor(world));
  const run = form(env, { answers, dryRun: false, signal }).then((result) => {
    assert.is(result.kind, 'formed');
    return 'formed' as const;
  });
  const result = await Promise.race([run, ended]);
  delete world.onRequest;
  return result;
}

/** What a power cut would not lose, with all that is random or time made alike. */
function shape(world: FakeWorld): string {
  const seen = new Map<string, string>();
  const alike = (kind: string, text: string) => {
    if (!seen.has(text)) seen.set(text, `${kind}${seen.size}`);
    return seen.get(text) ?? '';
  };
  return JSON.stringify(keptState(world))
    .replaceAll(/-----BEGIN.*?-----END [A-Z ]+-----(\\+n)?/g, 'PEM')
    .replaceAll(/[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/g, (id) => alike('id', id))
    .replaceAll(/\d{4}-\d\d-\d\dT[\d:.]+Z/g, 'TIME');
}

/** States are long: only the first difference is shown. */
function sameShape(found: string, wanted: string, when: string): void {
  if (found === wanted) return;
  let at = 0;
  while (found[at] === wanted[at]) at += 1;
  const part = (text: string) => text.slice(Math.max(0, at - 120), at + 120);
  throw new Error(`${when}:\n  found  ...${part(found)}...\n  wanted ...${part(wanted)}...`);
}

const newWorld = () => makeFakeWorld(alikeHosts(hosts));
const folder = () => {
  count += 1;
  return join(directory, String(count));
};

/** Every place where it can be killed, in the order of an undisturbed run, and what that run leaves. */
async function undisturbed() {
  const world = await newWorld();
  const points: string[] = [];
  const result = await runOnce(world, folder(), {
    at: (point) => {
      points.push(point);
      return false;
    },
  });
  assert.is(result, 'formed');
  return { points, shape: shape(world) };
}

test('killed at each step, it finishes when started again', async () => {
  const want = await undisturbed();
  const steps = want.points.filter((point) => !point.startsWith('request'));
  assert.ok(steps.length >= 40, `${steps.length} places`);
  // Before a step is hardly other than after the one before it: all of those only with FULL=1.
  const tried = steps.filter((place) => stride === 1 || place.endsWith(':after'));
  for (const place of tried) {
    const world = await newWorld();
    const where = folder();
    assert.is(await runOnce(world, where, { at: (point) => point === place }), 'killed', place);
    assert.is(await runOnce(world, where), 'formed', place);
    sameShape(shape(world), want.shape, `killed at ${place}`);
  }
});

test('killed at any request, it finishes when started again', async () => {
  const want = await undisturbed();
  for (let nth = 1 + (Date.now() % stride); nth < want.points.length; nth += stride) {
    const world = await newWorld();
    const where = folder();
    let seen = 0;
    let place = '';
    const at = (point: string) => {
      seen += 1;
      place = point;
      return seen === nth;
    };
    const name = () => `killed at point ${nth}, ${place}`;
    assert.is(await runOnce(world, where, { at }), 'killed', name());
    const stoppedAt = name();
    assert.is(await runOnce(world, where), 'formed', stoppedAt);
    sameShape(shape(world), want.shape, stoppedAt);
  }
});

test('killed anywhere before it is declared, undo leaves nothing', async () => {
  const { points } = await undisturbed();
  const final = points.indexOf('declare:before');
  for (let nth = 1 + (Date.now() % stride); nth <= final; nth += stride) {
    const world = await newWorld();
    const before = shape(world);
    const where = folder();
    let seen = 0;
    const at = () => {
      seen += 1;
      return seen === nth;
    };
    assert.is(await runOnce(world, where, { at }), 'killed');
    const env = makeFakeEnv(world, { directory: where });
    await undo(env, signal).catch((error) =>
      assert.is(error.code, 'formation.none', `${nth}: ${error.message}`),
    );
    sameShape(shape(world), before, `killed at point ${nth}, ${points[nth - 1]}`);
  }
});

test('undo killed anywhere and begun again leaves nothing', async () => {
  const pointsOfUndo = async (world: FakeWorld, where: string, nth: number) => {
    const death: Death = { dead: false };
    let seen = 0;
    let killed = () => {};
    const ended = new Promise<'killed'>((resolve) => {
      killed = () => resolve('killed');
    });
    world.onRequest = () => {
      seen += 1;
      if (seen !== nth) return;
      death.dead = true;
      killed();
    };
    const env = makeFakeEnv(world, { directory: where, death });
    const result = await Promise.race([undo(env, signal).then(() => 'undone' as const), ended]);
    delete world.onRequest;
    return { result, seen };
  };
  const prepared = async () => {
    const world = await newWorld();
    const before = shape(world);
    const where = folder();
    await runOnce(world, where, { at: (point) => point === 'declare:before' });
    return { world, before, where };
  };
  const first = await prepared();
  const { seen } = await pointsOfUndo(first.world, first.where, -1);
  sameShape(shape(first.world), first.before, 'undo');
  for (let nth = 1 + (Date.now() % stride); nth <= seen; nth += stride) {
    const { world, before, where } = await prepared();
    assert.is((await pointsOfUndo(world, where, nth)).result, 'killed');
    assert.is((await pointsOfUndo(world, where, -1)).result, 'undone', `point ${nth}`);
    sameShape(shape(world), before, `undo killed at point ${nth}`);
  }
});

test.run();
