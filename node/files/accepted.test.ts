import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as assert from 'uvu/assert';
import { z } from 'zod';
import { suite } from '../../test/support/suite.ts';
import { AppError } from '../contract/error.ts';
import { accepted } from './accepted.ts';

const test = suite('accepted');
let directory = '';
test.beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'trefoil-accepted-'));
});
test.afterEach(() => rm(directory, { recursive: true, force: true }));
const open = () => accepted(join(directory, 'x', 'thing.json'), z.object({ a: z.number() }), 'its things');

async function codeOf(promise: Promise<unknown>): Promise<string> {
  try {
    await promise;
  } catch (error) {
    if (error instanceof AppError) return error.code;
    throw error;
  }
  return 'no error';
}

test('what was accepted is there after a restart; older is refused, the same and newer are taken', async () => {
  assert.is(await open().get(), undefined);
  await open().accept(2, { a: 1 });
  await open().accept(2, { a: 1 });
  assert.is(await codeOf(open().accept(1, { a: 9 })), 'host.outdated');
  assert.equal(await open().get(), { generation: 2, value: { a: 1 } });
  await open().accept(3, { a: 2 });
  await open().forget();
  await open().forget();
  assert.is(await open().get(), undefined);
});

test('a damaged file is told and left as it is', async () => {
  await open().accept(1, { a: 1 });
  const path = join(directory, 'x', 'thing.json');
  await writeFile(path, '{"generation":1,"value":{}}');
  assert.is(await codeOf(open().get()), 'host.damaged-state');
  assert.is(await codeOf(open().accept(2, { a: 2 })), 'host.damaged-state');
  assert.is(await readFile(path, 'utf8'), '{"generation":1,"value":{}}');
});

test.run();
