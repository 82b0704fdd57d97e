import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as assert from 'uvu/assert';
import { sampleVm } from '../../test/fakes/vms.ts';
import { suite } from '../../test/support/suite.ts';
import { AppError } from '../contract/error.ts';
import { vmSpecSchema } from '../contract/vms.ts';
import { startFailure } from './failure.ts';
import { removeNvramOf } from './nvram.ts';
import { hostPaths } from './paths.ts';
import { cleanUpVm, type PrepareEnv, prepareVm } from './prepare.ts';

const test = suite('before a VM starts');
const state = mkdtempSync(join(tmpdir(), 'trefoil-prepare-'));
const paths = hostPaths(state, '/run', '/log');
const mounted = new Set(['data']);
const env: PrepareEnv = {
  volumesDirectory: paths.volumes,
  isMounted: async (volume) => mounted.has(volume),
  paths,
  // whoever runs the test owns what the test makes
  qemuUser: { uid: process.getuid?.() ?? 0, gid: process.getgid?.() ?? 0 },
};
const { spec } = sampleVm();
const seeded = vmSpecSchema.parse({
  ...spec,
  cloudInit: { metaData: 'a', userData: 'b' },
  seedVolume: 'data',
});
const seed = join(paths.volumes, 'data/seeds', `${spec.id}.raw`);

test.before(() => {
  mkdirSync(join(paths.volumes, 'data/disks'), { recursive: true });
  writeFileSync(join(paths.volumes, 'data/disks/a.qcow2'), 'x');
});
test.after(() => rmSync(state, { recursive: true, force: true }));

async function codeOf(promise: Promise<unknown>): Promise<string> {
  try {
    await promise;
  } catch (error) {
    if (error instanceof AppError) return error.code;
    throw error;
  }
  return 'no error';
}

test('a disk that is there is enough', async () => {
  await prepareVm(env, spec, 'starts');
  assert.not.ok(existsSync(seed));
});

test('a missing disk and a volume that is not mounted are told apart', async () => {
  const disks = spec.disks.map((disk) => ({ ...disk, path: 'disks/b.qcow2' }));
  assert.is(await codeOf(prepareVm(env, { ...spec, disks }, 'starts')), 'disk.missing');
  const elsewhere = spec.disks.map((disk) => ({ ...disk, volume: 'other' }));
  assert.is(await codeOf(prepareVm(env, { ...spec, disks: elsewhere }, 'starts')), 'volume.not-mounted');
});

test('a seed is written for a start; for an arrival only where there is none; and goes with the VM', async () => {
  await prepareVm(env, seeded, 'arrives');
  assert.is(statSync(seed).size, 1_048_576);
  writeFileSync(seed, 'in use elsewhere');
  await prepareVm(env, seeded, 'arrives');
  assert.is(statSync(seed).size, 16);
  await prepareVm(env, seeded, 'starts');
  assert.is(statSync(seed).size, 1_048_576);
  await cleanUpVm(env, seeded);
  assert.not.ok(existsSync(seed));
  await cleanUpVm(env, seeded);
  const { seedVolume: _, ...without } = seeded;
  assert.is(await codeOf(prepareVm(env, without, 'starts')), 'vm.no-seed-volume');
});

test('firmware variables have a folder beside the first disk', async () => {
  await prepareVm(env, { ...spec, firmware: 'uefi' }, 'starts');
  assert.ok(existsSync(join(paths.volumes, 'data/nvram')));
  chmodSync(join(paths.volumes, 'data/nvram'), 0o711);
});

test('firmware variables go when the first disk of their VM does', async () => {
  const uefi = { ...spec, firmware: 'uefi' as const };
  await prepareVm(env, uefi, 'starts');
  const variables = join(paths.volumes, 'data/nvram', `${uefi.id}.fd`);
  writeFileSync(variables, 'x');
  await removeNvramOf(paths, { volume: 'data', path: 'disks/another.qcow2' });
  assert.ok(existsSync(variables));
  await removeNvramOf(paths, { volume: 'data', path: uefi.disks[0]?.path ?? '' });
  assert.equal(readdirSync(join(paths.volumes, 'data/nvram')), []);
  await removeNvramOf(paths, { volume: 'no-such-volume', path: 'x' });
});

test('what QEMU says becomes a sentence for a person', () => {
  const said = (message: string) =>
    startFailure(new AppError({ code: 'libvirt.internal', family: 'unavailable', message }), spec);
  const codes = [
    'process exited while connecting to monitor: Failed to get "write" lock\nIs another process using the image [/x]?',
    "Cannot get interface MTU on 'br-lan': No such device",
    'cannot set up guest memory: Cannot allocate memory',
    "Could not open '/x/y.qcow2': Permission denied",
    'something else',
  ].map((message) => (said(message) as AppError).code);
  assert.equal(codes, [
    'disk.locked',
    'network.missing',
    'host.out-of-memory',
    'disk.unreadable',
    'vm.start-failed',
  ]);
  const own = new AppError({ code: 'disk.missing', family: 'missing', message: 'x' });
  assert.is(startFailure(own, spec), own);
});

test.run();
