import { spawn } from 'node:child_process';
import { mkdtemp, readdir, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as assert from 'uvu/assert';
import { eventually } from '../../test/support/eventually.ts';
import { suite } from '../../test/support/suite.ts';
import { readIfThere, removeDurably, writeDurably } from './file.ts';
import { openJournal } from './journal.ts';
import { lockFormation } from './lock.ts';

const test = suite('journal');
let directory = '';
test.before(async () => {
  directory = await mkdtemp(join(tmpdir(), 'formation-'));
});
test.after(() => rm(directory, { recursive: true }));

test('files are replaced whole, for root alone', async () => {
  const path = join(directory, 'a', 'file.json');
  await writeDurably(path, 'one');
  await writeDurably(path, 'two');
  assert.is(await readIfThere(path), 'two');
  assert.is((await stat(path)).mode & 0o777, 0o600);
  assert.is((await stat(join(directory, 'a'))).mode & 0o777, 0o700);
  assert.equal(await readdir(join(directory, 'a')), ['file.json']);
  await removeDurably(path);
  assert.is(await readIfThere(path), undefined);
});

test('a damaged record is said to be one', async () => {
  await writeDurably(join(directory, 'bad', 'journal.json'), '{"format":1');
  const failed = await openJournal(join(directory, 'bad')).catch((error) => error);
  assert.is(failed.code, 'journal.unreadable');
  assert.is(await openJournal(join(directory, 'none')), undefined);
});

test('one formation at a time, and a dead one holds nothing', async () => {
  const lock = await lockFormation(directory);
  const second = await lockFormation(directory).catch((error) => error);
  assert.is(second.code, 'formation.running');
  await (await lockFormation(`${directory}/other`)).release();
  await lock.release();

  const script = `import { lockFormation } from ${JSON.stringify(new URL('lock.ts', import.meta.url).href)};
    await lockFormation(${JSON.stringify(directory)}); console.log('held'); setInterval(() => {}, 1000);`;
  const child = spawn(process.execPath, ['--input-type=module', '--eval', script], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  await new Promise((resolve) => child.stdout.once('data', resolve));
  assert.is((await lockFormation(directory).catch((error) => error)).code, 'formation.running');
  child.kill('SIGKILL');
  await eventually('the lock of a dead process is free', async () => {
    await (await lockFormation(directory)).release();
    return true;
  });
});

test.run();
