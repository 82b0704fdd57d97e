import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as assert from 'uvu/assert';
import { suite } from '../../test/support/suite.ts';
import { cached, keyOf } from './cache.ts';

const test = suite('build cache');
let home = '';
const before = process.env['XDG_CACHE_HOME'];

test.beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), 'trefoil-cache-test-'));
  process.env['XDG_CACHE_HOME'] = home;
});
test.afterEach(async () => {
  if (before === undefined) delete process.env['XDG_CACHE_HOME'];
  else process.env['XDG_CACHE_HOME'] = before;
  await rm(home, { recursive: true });
});

test('a key depends on names and contents, not on their order', () => {
  assert.is(keyOf({ a: '1', b: '2' }), keyOf({ b: '2', a: '1' }));
  assert.is.not(keyOf({ a: '1', b: '2' }), keyOf({ a: '2', b: '1' }));
  assert.is.not(keyOf({ a: '1', b: '' }), keyOf({ a: '1' }));
});

test('builds once for the same ingredients', async () => {
  let builds = 0;
  const build = async (dir: string) => {
    builds += 1;
    await writeFile(join(dir, 'it'), 'built');
  };
  const first = await cached('thing', { from: 'x' }, build);
  assert.is(await cached('thing', { from: 'x' }, build), first);
  assert.is(builds, 1);
  assert.is(await readFile(join(first, 'it'), 'utf8'), 'built');
});

test('a failed build leaves nothing', async () => {
  const failing = cached('thing', {}, async () => {
    throw new Error('no space');
  });
  await failing.then(assert.unreachable, (error: Error) => assert.is(error.message, 'no space'));
  assert.equal(await readdir(join(home, 'trefoil', 'thing')), []);
});

test('two builds at once end in one entry', async () => {
  const build = (dir: string) => writeFile(join(dir, 'it'), 'built');
  const [a, b] = await Promise.all([cached('thing', {}, build), cached('thing', {}, build)]);
  assert.is(a, b);
  assert.is((await readdir(join(home, 'trefoil', 'thing'))).length, 1);
});

test('keeps only the entries used last', async () => {
  for (let n = 0; n < 6; n += 1) await cached('thing', { n: String(n) }, async () => {});
  assert.is((await readdir(join(home, 'trefoil', 'thing'))).length, 4);
});

test.run();
