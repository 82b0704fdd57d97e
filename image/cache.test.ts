import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as assert from 'uvu/assert';
import { suite } from '../test/support/suite.ts';
import { cached, hashOf } from './cache.ts';

const test = suite('image: cache');
let folder = '';
test.beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'trefoil-cache-'));
});
test.afterEach(() => rm(folder, { recursive: true, force: true }));

test('the hash follows content, names and order of texts, not where the folder lies', async () => {
  for (const name of ['a', 'b']) {
    await mkdir(join(folder, name, 'sub'), { recursive: true });
    await writeFile(join(folder, name, 'sub/file'), 'same');
  }
  const [a, b] = [join(folder, 'a'), join(folder, 'b')];
  assert.is(await hashOf([a]), await hashOf([b]));
  await writeFile(join(b, 'sub/file'), 'other');
  assert.is.not(await hashOf([a]), await hashOf([b]));
  assert.is(
    await hashOf([a], [], { keep: (path) => !path.endsWith('file') }),
    await hashOf([b], [], { keep: (path) => !path.endsWith('file') }),
  );
  assert.is.not(await hashOf([a], ['x', 'y']), await hashOf([a], ['xy']));
});

const make = (content: string) => (at: string) => writeFile(join(at, 'made'), content);

test('an entry is made once', async () => {
  const first = await cached('kind', '0123456789abcdef', make('one'), folder);
  const second = await cached('kind', '0123456789abcdef', make('two'), folder);
  assert.equal([first.built, second.built], [true, false]);
  assert.is(await readFile(join(second.path, 'made'), 'utf8'), 'one');
});

test('of two at once one wins, and both have it', async () => {
  const hash = '0123456789abcdef';
  const both = await Promise.all([
    cached('kind', hash, make('x'), folder),
    cached('kind', hash, make('x'), folder),
  ]);
  for (const entry of both) assert.ok(existsSync(join(entry.path, 'made')));
});

test('a build that fails leaves nothing', async () => {
  const failed = await cached(
    'kind',
    '0123456789abcdef',
    () => Promise.reject(new Error('no')),
    folder,
  ).catch((error: Error) => error.message);
  assert.is(failed, 'no');
  assert.equal(await readdir(folder), []);
});

test('the three last used of a kind are kept, other kinds are not touched', async () => {
  await cached('other', 'ffffffffffffffff', make('x'), folder);
  for (const digit of '12345') await cached('kind', digit.repeat(16), make(digit), folder);
  const kept = (await readdir(folder)).sort();
  assert.is(kept.filter((name) => name.startsWith('kind-')).length, 3);
  assert.ok(kept.includes('kind-5555555555555555'));
  assert.ok(kept.includes('other-ffffffffffffffff'));
});

test.run();
