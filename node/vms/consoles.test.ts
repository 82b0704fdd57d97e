import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readdirSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as assert from 'uvu/assert';
import { FakeLibvirt } from '../../test/fakes/libvirt/server.ts';
import { suite } from '../../test/support/suite.ts';
import { AppError } from '../contract/error.ts';
import { vmIdSchema } from '../contract/ids.ts';
import { openTransport } from '../libvirt/handshake.ts';
import { openSerial, openVnc, readConsoleLog, sweepConsoleLogs } from './consoles.ts';
import { hostPaths } from './paths.ts';

const test = suite('consoles');

const id = vmIdSchema.parse('1f0c9f4e-5f43-4f57-9d5e-0d8a6f6b7c10');
let directory = '';
test.before(() => {
  directory = mkdtempSync(join(tmpdir(), 'trefoil-consoles-'));
  for (const name of ['vnc', 'console']) mkdirSync(join(directory, name));
});
test.after(() => rmSync(directory, { recursive: true, force: true }));
const paths = () => hostPaths(directory, directory, directory);
const never = () => new AbortController().signal;

const codeOf = async (promise: Promise<unknown>): Promise<string> => {
  try {
    await promise;
    return 'no error';
  } catch (error) {
    return error instanceof AppError ? error.code : `not an AppError: ${error}`;
  }
};

test('the screen is what listens on its socket', async () => {
  const server = createServer((socket) => socket.end('RFB 003.008\n'));
  await new Promise<void>((resolve) => server.listen(join(directory, 'vnc', `${id}.sock`), resolve));
  const stream = await openVnc(paths(), id, never());
  const [hello] = await once(stream, 'data');
  assert.is(String(hello), 'RFB 003.008\n');
  stream.destroy();
  await new Promise<void>((resolve) => server.close(() => resolve()));
});

test('a VM that does not run has no console', async () => {
  assert.is(await codeOf(openVnc(paths(), id, never())), 'vm.no-console');
  const daemon = await FakeLibvirt.start();
  const libvirt = { socketPath: daemon.socketPath, uri: 'qemu:///system' };
  const caller = await openTransport(libvirt);
  try {
    assert.is(await codeOf(openSerial({ caller, libvirt }, id, never())), 'vm.no-console');
    daemon.faults.lookupByUuid = { kind: 'error', error: { code: 38, message: 'out of files' } };
    assert.is(await codeOf(openSerial({ caller, libvirt }, id, never())), 'libvirt.system');
  } finally {
    caller.close();
    await daemon.stop();
  }
});

test('the newest bytes of the log, across the file that was begun last', async () => {
  assert.is(String(await readConsoleLog(paths(), id, 100)), '');
  const log = join(directory, 'console', `${id}.log`);
  writeFileSync(`${log}.0`, 'older lines\n');
  writeFileSync(log, 'newer lines\n');
  assert.is(String(await readConsoleLog(paths(), id, 6)), 'lines\n');
  assert.is(String(await readConsoleLog(paths(), id, 12)), 'newer lines\n');
  assert.is(String(await readConsoleLog(paths(), id, 18)), 'lines\nnewer lines\n');
  assert.is(String(await readConsoleLog(paths(), id, 1000)), 'older lines\nnewer lines\n');
});

test('logs of VMs that are gone are removed after a week, those of others never', async () => {
  const folder = join(directory, 'swept');
  mkdirSync(folder);
  const other = 'aaaaaaaa-5f43-4f57-9d5e-0d8a6f6b7c10';
  for (const name of [`${id}.log`, `${other}.log`, `${other}.log.0`, 'notes.txt'])
    writeFileSync(join(folder, name), 'x');
  const now = Date.now();
  const sweep = (ms: number) => sweepConsoleLogs({ console: folder }, (one) => one === id, ms);
  assert.equal(await sweep(now + 86_400_000), []);
  utimesSync(join(folder, `${other}.log`), now / 1000 + 500_000, now / 1000 + 500_000);
  assert.equal(await sweep(now + 8 * 86_400_000), [`${other}.log.0`]);
  assert.equal(readdirSync(folder).sort(), [`${id}.log`, `${other}.log`, 'notes.txt'].sort());
  assert.equal(await sweepConsoleLogs({ console: '/no/such' }, () => false, now), []);
});

test.run();
