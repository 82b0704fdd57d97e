import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as assert from 'uvu/assert';
import { eventually } from '../../../test/support/eventually.ts';
import { suite } from '../../../test/support/suite.ts';
import type { Run } from '../../command/run.ts';
import { silentLog } from '../../log/log.ts';
import { openWatchdog } from './watchdog.ts';

/** A plain file stands for the device: what is written to it is seen, what the kernel makes of it is not. */
const test = suite('the watchdog');
let folder = '';
let asked: string[][] = [];
const files = () => ({ device: join(folder, 'watchdog0'), timeout: join(folder, 'timeout') });
const written = () => readFile(files().device, 'latin1');
const kernelGives =
  (seconds: string): Run =>
  async (argv) => {
    asked.push([...argv]);
    await writeFile(files().timeout, seconds);
    return { exitCode: 0, stdout: '', stderr: '' };
  };
const open = (run: Run) => openWatchdog({ run, log: silentLog, files: files() }, 20_000);

test.beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'watchdog-'));
  asked = [];
  await writeFile(files().device, '');
  await writeFile(files().timeout, '60\n');
});
test.afterEach(() => rm(folder, { recursive: true, force: true }));

test('it is asked for our time, and what the kernel gives is what others may count on', async () => {
  const watchdog = await open(kernelGives('30\n'));
  assert.equal(asked, [['wdctl', '--settimeout', '20', files().device]]);
  assert.is(watchdog?.timeoutMs, 30_000);
  await watchdog?.disarm();
});

test('each feeding is a byte, and it is disarmed by its magic letter alone', async () => {
  const watchdog = await open(kernelGives('20\n'));
  watchdog?.feed();
  await eventually('it is fed', async () => (await written()) === '\0');
  await watchdog?.disarm();
  assert.is(await written(), '\0V');
});

test('a machine without one has none, and so has one whose device refuses', async () => {
  await rm(files().timeout);
  assert.is(await open(kernelGives('20\n')), undefined);
  assert.equal(asked, []);
  await writeFile(files().timeout, '60\n');
  const refuses: Run = async () => {
    throw new Error('wdctl refused');
  };
  assert.is(await open(refuses), undefined);
  assert.is(await written(), '');
});

test('a time that cannot be read is no watchdog, and the device stays untouched', async () => {
  assert.is(await open(kernelGives('soon\n')), undefined);
  assert.is(await written(), '');
});

test.run();
