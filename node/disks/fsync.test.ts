import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as assert from 'uvu/assert';
import { suite } from '../../test/support/suite.ts';
import { measureFsync, percentile } from './fsync.ts';

const test = suite('fsync');

test('percentiles', () => {
  assert.is(percentile([1, 2, 3, 4], 0.5), 2);
  assert.is(percentile([1, 2, 3, 4], 0.99), 4);
  assert.is(percentile([7], 0.5), 7);
});

test('measured, within its time, nothing left behind', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'trefoil-fsync-'));
  const result = await measureFsync(folder, { samples: 20 });
  assert.is(result.samples, 20);
  assert.ok(result.p50Ms >= 0 && result.p99Ms >= result.p50Ms);
  let time = 0;
  const slow = await measureFsync(folder, { samples: 20, limitMs: 100, now: () => (time += 20) });
  assert.ok(slow.samples < 20 && slow.samples > 0);
  assert.equal(await readdir(folder), []);
  await rm(folder, { recursive: true });
});

test.run();
