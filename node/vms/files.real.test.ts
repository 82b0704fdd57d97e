import { execFileSync } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import * as assert from 'uvu/assert';
import { eventually } from '../../test/support/eventually.ts';
import { suite } from '../../test/support/suite.ts';
import { systemClock } from '../clock/clock.ts';
import { run } from '../command/run.ts';
import { AppError } from '../contract/error.ts';
import { diskIdSchema, imageIdSchema, taskIdSchema } from '../contract/ids.ts';
import type { DiskFilePut } from '../contract/vms.ts';
import { silentLog } from '../log/log.ts';
import { makeTasks } from '../tasks/registry.ts';
import { makeDiskFiles } from './disk-files.ts';
import { makeImages } from './images.ts';
import { ensureCloudInitSeed, putEngineSeed } from './seed.ts';

const test = suite('files on a volume', { deadlineMs: 60_000 });
const root = mkdtempSync(join(tmpdir(), 'trefoil-files-'));
const mounted = new Set(['data']);
const volumes = { volumesDirectory: root, isMounted: async (name: string) => mounted.has(name) };
const tasks = makeTasks({
  newId: () => taskIdSchema.parse(randomUUID()),
  now: () => new Date(),
  log: silentLog,
  changed: () => {},
});
const used = new Map<string, string>();
const engineImage = join(root, 'engine.raw.zst');
const disks = makeDiskFiles({
  ...volumes,
  run,
  clock: systemClock,
  tasks,
  engineImage,
  usedBy: (path) => used.get(path),
});
const nobody = { uid: 65534, gid: 65534 };
const images = makeImages({
  ...volumes,
  run,
  log: silentLog,
  volumes: async () => ['data'],
  qemuUser: nobody,
});

test.before(() => {
  execFileSync('mkdir', ['-p', join(root, 'data')]);
  execFileSync('chmod', ['711', root, join(root, 'data')]);
});
test.after(() => rmSync(root, { recursive: true, force: true }));

const wanted = (change: Partial<DiskFilePut> = {}): DiskFilePut => ({
  id: diskIdSchema.parse(randomUUID()),
  volume: 'data',
  path: 'disks/one.qcow2',
  format: 'qcow2',
  sizeMiB: 16,
  ...change,
});
const done = async (put: DiskFilePut) => {
  const { id } = await disks.put(put);
  return eventually('the task to end', () => {
    const task = tasks.get(id);
    return task.state === 'running' ? undefined : task;
  });
};
const refusal = async (work: Promise<unknown>): Promise<AppError> => {
  try {
    await work;
  } catch (error) {
    if (error instanceof AppError) return error;
    throw error;
  }
  throw new Error('was not refused');
};

test('an empty disk appears whole, twice is once, and only under its name', async () => {
  assert.is((await done(wanted())).state, 'done');
  const first = statSync(join(root, 'data/disks/one.qcow2')).ino;
  assert.is((await done(wanted())).state, 'done');
  assert.is(statSync(join(root, 'data/disks/one.qcow2')).ino, first);
  assert.equal(readdirSync(join(root, 'data/disks')), ['one.qcow2']);
});

test('a disk is copied from another and grown', async () => {
  const from = { kind: 'file', volume: 'data', path: 'disks/one.qcow2', format: 'qcow2' } as const;
  const task = await done(wanted({ path: 'disks/two.raw', format: 'raw', sizeMiB: 32, from }));
  assert.is(task.state, 'done');
  assert.is(statSync(join(root, 'data/disks/two.raw')).size, 32 * 1_048_576);
});

test('a disk smaller than its image is refused and leaves nothing', async () => {
  const from = { kind: 'file', volume: 'data', path: 'disks/two.raw', format: 'raw' } as const;
  const task = await done(wanted({ path: 'disks/three.raw', format: 'raw', sizeMiB: 8, from }));
  assert.is(task.error?.code, 'disk.too-small');
  assert.not.ok(readdirSync(join(root, 'data/disks')).some((name) => name.includes('three')));
});

test("the engine's image is unpacked", async () => {
  const raw = join(root, 'engine.raw');
  writeFileSync(raw, Buffer.alloc(2 * 1_048_576, 'x'));
  execFileSync('zstd', ['-q', '-f', raw, '-o', engineImage]);
  const from = { kind: 'engine-image' } as const;
  const task = await done(wanted({ path: 'engine/os.raw', format: 'raw', sizeMiB: 4, from }));
  assert.is(task.state, 'done');
  const bytes = readFileSync(join(root, 'data/engine/os.raw'));
  assert.is(bytes.length, 4 * 1_048_576);
  assert.is(bytes.subarray(0, 4).toString(), 'xxxx');
});

test('nothing is written where no volume is mounted', async () => {
  assert.is((await refusal(disks.put(wanted({ volume: 'other' })))).code, 'volume.not-mounted');
});

test('a disk in use is not deleted; a free one is, and deleting it again is fine', async () => {
  const path = join(root, 'data/disks/one.qcow2');
  used.set(path, 'VM web01');
  assert.is((await refusal(disks.remove({ volume: 'data', path: 'disks/one.qcow2' }))).code, 'disk.in-use');
  used.clear();
  await disks.remove({ volume: 'data', path: 'disks/one.qcow2' });
  await disks.remove({ volume: 'data', path: 'disks/one.qcow2' });
});

test('an uploaded image is listed with its size', async () => {
  const file = join(root, 'upload.qcow2');
  execFileSync('qemu-img', ['create', '-q', '-f', 'qcow2', file, '24M']);
  const content = readFileSync(file);
  const id = imageIdSchema.parse(randomUUID());
  const upload = { id, name: 'small', volume: 'data', format: 'qcow2', sizeBytes: content.length } as const;
  const image = await images.upload(upload, Readable.from([content]), new AbortController().signal);
  assert.is(image.sizeMiB, 24);
  assert.equal(await images.list(), [image]);
});

test('an image that leads to another file of the host is refused and removed', async () => {
  const file = join(root, 'hostile.qcow2');
  execFileSync('qemu-img', [
    'create',
    '-q',
    '-u',
    '-f',
    'qcow2',
    '-F',
    'raw',
    '-b',
    '/etc/shadow',
    file,
    '1M',
  ]);
  const content = readFileSync(file);
  const id = imageIdSchema.parse(randomUUID());
  const upload = { id, name: 'hostile', volume: 'data', format: 'qcow2', sizeBytes: content.length } as const;
  const error = await refusal(images.upload(upload, Readable.from([content]), new AbortController().signal));
  assert.is(error.code, 'image.refers-elsewhere');
  assert.not.ok(readdirSync(join(root, 'data/images')).some((name) => name.includes(id)));
});

test('what is no image is refused', async () => {
  const id = imageIdSchema.parse(randomUUID());
  const upload = { id, name: 'text', volume: 'data', format: 'qcow2', sizeBytes: 5 } as const;
  const error = await refusal(
    images.upload(upload, Readable.from([Buffer.from('hello')]), new AbortController().signal),
  );
  assert.is(error.code, 'image.not-an-image');
});

test('an upload that breaks off leaves nothing', async () => {
  const id = imageIdSchema.parse(randomUUID());
  const broken = Readable.from(
    (async function* () {
      yield Buffer.from('abc');
      throw new Error('connection lost');
    })(),
  );
  const upload = { id, name: 'broken', volume: 'data', format: 'raw', sizeBytes: 9 } as const;
  await images.upload(upload, broken, new AbortController().signal).then(
    () => assert.unreachable('it broke off'),
    () => {},
  );
  assert.not.ok(readdirSync(join(root, 'data/images')).some((name) => name.includes(id)));
});

test('a CIDATA disk holds what cloud-init looks for', async () => {
  const vmId = randomUUID();
  const cloudInit = { metaData: 'instance-id: x\n', userData: '#cloud-config\nhostname: web01\n' };
  const { path } = await ensureCloudInitSeed({ volumesDirectory: root }, { vmId, cloudInit, volume: 'data' });
  await run(['fsck.vfat', '-n', path]);
  const { stdout } = await run(['mtype', '-i', path, '::user-data']);
  assert.match(stdout, 'hostname: web01');
  assert.match((await run(['mlabel', '-s', '-i', path])).stdout, 'CIDATA');

  const { ino } = statSync(path);
  await ensureCloudInitSeed({ volumesDirectory: root }, { vmId, cloudInit, volume: 'data' });
  assert.is(statSync(path).ino, ino, 'the same content is not written again');
  const other = { ...cloudInit, networkConfig: 'version: 2\n'.repeat(900) };
  await ensureCloudInitSeed({ volumesDirectory: root }, { vmId, cloudInit: other, volume: 'data' });
  await run(['fsck.vfat', '-n', path]);
  assert.is((await run(['mtype', '-i', path, '::network-config'])).stdout, other.networkConfig);
});

test("the engine's seed is JSON in a disk of one MiB that only root reads", async () => {
  await putEngineSeed(volumes, { volume: 'data', path: 'engine/seed.raw', seed: { format: 1 } });
  const path = join(root, 'data/engine/seed.raw');
  const bytes = readFileSync(path);
  assert.is(bytes.length, 1_048_576);
  assert.is(bytes.subarray(0, bytes.indexOf(0)).toString(), '{"format":1}');
  assert.is(statSync(path).mode & 0o777, 0o600);
});

test.run();
