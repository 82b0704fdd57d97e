import { mkdtemp, readdir, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as assert from 'uvu/assert';
import { suite } from '../../test/support/suite.ts';
import { readIfThere, removeFileDurably, writeFileAtomic } from './atomic.ts';

const test = suite('files');
let directory = '';
test.beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'trefoil-files-'));
});
test.afterEach(() => rm(directory, { recursive: true, force: true }));

test('a file is created with its folder, private, and nothing is left beside it', async () => {
  const path = join(directory, 'deep', 'secret.json');
  await writeFileAtomic(path, 'one');
  await writeFileAtomic(path, 'two');
  assert.is(await readFile(path, 'utf8'), 'two');
  assert.is((await stat(path)).mode & 0o777, 0o600);
  assert.equal(await readdir(join(directory, 'deep')), ['secret.json']);
});

test('when the new content cannot be put in place the old one stays and nothing is left beside it', async () => {
  const path = join(directory, 'taken', 'x');
  await writeFileAtomic(path, 'a file in the folder');
  // the target is a folder that is not empty: the rename must fail
  await assertRejects(writeFileAtomic(join(directory, 'taken'), 'content'));
  assert.equal(await readdir(directory), ['taken']);
  assert.is(await readFile(path, 'utf8'), 'a file in the folder');
});

test('reading what is not there is not an error, removing it neither', async () => {
  assert.is(await readIfThere(join(directory, 'no')), undefined);
  await removeFileDurably(join(directory, 'no'));
});

async function assertRejects(promise: Promise<unknown>): Promise<void> {
  let failed = false;
  await promise.catch(() => {
    failed = true;
  });
  assert.ok(failed);
}

test.run();
