import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as assert from 'uvu/assert';
import { eventually } from '../../test/support/eventually.ts';
import { suite } from '../../test/support/suite.ts';
import { run } from '../command/run.ts';
import { type ProbeCache, readInventory, systemDevices } from './inventory.ts';

/** A loop device that counts as a disk: what the real tools say of it as it is filled, mounted, erased. */
const test = suite('real disks', { deadlineMs: 120_000 });
const folder = mkdtempSync(join(tmpdir(), 'trefoil-disks-'));
const image = join(folder, 'disk.img');
const mountPoint = join(folder, 'mnt');
const cache: ProbeCache = new Map();
let loop = '';

const tool = (command: string, ...args: string[]) => execFileSync(command, args, { encoding: 'utf8' }).trim();
const look = async (uuids: string[] = []) => {
  const devices = {
    ...systemDevices,
    readText: async (path: string) =>
      path === '/etc/trefoil/disks-allow-loop'
        ? `${loop.replace('/dev/', '')} LOOP-1\n`
        : systemDevices.readText(path),
  };
  const { disks } = await readInventory({ run, devices }, { uuids, lvmSerials: [] }, cache);
  const disk = disks.find((one) => one.serial === 'LOOP-1');
  if (disk === undefined) throw new Error('the loop device is not listed');
  return `${disk.use}: ${disk.contents}`;
};

test.before(async () => {
  mkdirSync(mountPoint);
  writeFileSync(image, '');
  tool('truncate', '-s', '400M', image);
  // loop devices are few, others may have them all for a moment
  loop = await eventually('a free loop device', () => tool('losetup', '--find', '--show', image), {
    deadlineMs: 60_000,
    everyMs: 1_000,
  });
});
test.after(() => {
  tool('losetup', '--detach', loop);
  rmSync(folder, { recursive: true });
});

test('empty, then raw data, then a file system, mounted, ours, erased', async () => {
  assert.is(await look(), 'free: empty');
  tool('dd', 'if=/dev/urandom', `of=${loop}`, 'bs=4096', 'count=1', 'seek=10', 'conv=fsync', 'status=none');
  assert.is(await look(), 'holds-data: data of an unknown kind');
  tool('mkfs.xfs', '-q', '-f', '-L', 'backup', loop);
  assert.is(await look(), 'holds-data: xfs file system, label backup');
  tool('mount', loop, mountPoint);
  assert.is(await look(), `in-use: xfs file system, label backup, mounted at ${mountPoint}`);
  tool('umount', mountPoint);
  const uuid = tool('blkid', '-p', '-s', 'UUID', '-o', 'value', loop);
  assert.is(await look([uuid]), 'brick: brick of this cluster');
  tool('wipefs', '--all', '--force', loop);
  assert.is(await look(), 'holds-data: data of an unknown kind');
});

test('a partition table', async () => {
  execFileSync('sfdisk', ['-q', loop], { input: 'label: gpt\n,100M\n', stdio: ['pipe', 'ignore', 'ignore'] });
  assert.match(await look(), /^holds-data: GPT partition table/);
  tool('wipefs', '--all', loop);
  assert.match(await look(), /^(free: empty|holds-data: data of an unknown kind)$/);
});

test('wipefs refuses what is in use', async () => {
  tool('mkfs.xfs', '-q', '-f', loop);
  tool('mount', loop, mountPoint);
  assert.throws(() => tool('wipefs', '--all', loop));
  tool('umount', mountPoint);
});

test.run();
