import { execFileSync } from 'node:child_process';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as assert from 'uvu/assert';
import { suite } from '../../test/support/suite.ts';
import { readIfThere, writeDurably } from './file.ts';

const test = suite('the journal on a full disk');
let directory = '';
test.before(async () => {
  directory = await mkdtemp(join(tmpdir(), 'full-'));
  execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=16k', 'full', directory]);
});
test.after(async () => {
  execFileSync('umount', [directory]);
  await rm(directory, { recursive: true });
});

test('says so in one sentence, and keeps what was there', async () => {
  const path = join(directory, 'journal', 'file.json');
  await writeDurably(path, 'one');
  const error = await writeDurably(path, 'two'.repeat(20_000)).catch((thrown) => thrown);
  assert.is(error.message, 'The system disk of this host is full.');
  assert.is(await readIfThere(path), 'one');
  assert.equal(await readdir(join(directory, 'journal')), ['file.json']);
});

test.run();
