import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as assert from 'uvu/assert';
import { hostId } from '../../../test/sim/scenario.ts';
import { suite } from '../../../test/support/suite.ts';
import type { Run } from '../../command/run.ts';
import { silentLog } from '../../log/log.ts';
import { makeBars } from './bars.ts';

const test = suite('rules against lost hosts, kept');
let folder = '';
let ran: { tool: string; input: string; onDisk: string }[] = [];
let fails = false;
const path = () => join(folder, 'bars.json');
const run: Run = async ([tool], options) => {
  const onDisk = await readFile(path(), 'utf8').catch(() => '');
  ran.push({ tool, input: String(options?.input ?? ''), onDisk });
  if (fails && tool === 'nft') throw new Error('nft refused');
  return { exitCode: 0, stdout: '', stderr: '' };
};
const open = () => makeBars({ path: path(), run, log: silentLog });

test.beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'bars-'));
  ran = [];
  fails = false;
});
test.afterEach(() => rm(folder, { recursive: true, force: true }));

test('a rule is on disk before it is in force, and in force before it is said to be', async () => {
  const bars = open();
  await bars.bar(hostId(1), 'f1', ['10.77.0.11', '10.77.1.11']);
  assert.equal(
    ran.map(({ tool }) => tool),
    ['nft', 'ss', 'ss'],
  );
  assert.match(ran[0]?.onDisk ?? '', /"f1"/);
  assert.equal([...bars.inForce()], [[hostId(1), 'f1']]);
});

test('one that could not be put in force is not said to be, but comes again at the next start', async () => {
  fails = true;
  const bars = open();
  let failed = false;
  await bars.bar(hostId(1), 'f1', ['10.77.1.11']).catch(() => {
    failed = true;
  });
  assert.ok(failed);
  assert.is(bars.inForce().size, 0);
  fails = false;
  const next = open();
  await next.restore();
  assert.equal([...next.inForce()], [[hostId(1), 'f1']]);
});

test('it goes from the kernel first; a start in between puts it back', async () => {
  const bars = open();
  await bars.bar(hostId(1), 'f1', ['10.77.1.11']);
  ran = [];
  await bars.unbar(hostId(1));
  assert.match(ran[0]?.input ?? '', 'delete table');
  assert.match(ran[0]?.onDisk ?? '', /"f1"/);
  const next = open();
  await next.restore();
  assert.is(next.inForce().size, 0);
});

test('a file that is damaged is told of, not taken for none', async () => {
  await writeFile(path(), '{"format":1,"bars":[{"host":"x"}]}');
  let failed = false;
  await open()
    .restore()
    .catch(() => {
      failed = true;
    });
  assert.ok(failed);
});

test.run();
