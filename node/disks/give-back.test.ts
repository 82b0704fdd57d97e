import * as assert from 'uvu/assert';
import { suite } from '../../test/support/suite.ts';
import type { BrickStatus, HostDisk } from '../contract/disks.ts';
import { silentLog } from '../log/log.ts';
import { giveBack } from './give-back.ts';

const test = suite('bricks given back');
const brick = (kind: BrickStatus['kind']): BrickStatus => ({
  name: 'data',
  path: '/var/lib/trefoil/bricks/data',
  kind,
  mounted: true,
  sizeMiB: 1,
  freeMiB: 1,
  ...(kind === 'directory' ? {} : { serial: 'S1' }),
});
const diskOf = (use: HostDisk['use']): HostDisk => ({
  path: '/dev/sdb',
  model: 'm',
  serial: 'S1',
  sizeMiB: 1,
  rotational: false,
  use,
  contents: 'x',
});

async function give(
  kind: BrickStatus['kind'],
  disks: HostDisk[],
  failing = '',
  busyFor = 0,
): Promise<string[]> {
  const done: string[] = [];
  let ms = 0;
  await giveBack(
    {
      run: async (argv) => {
        done.push(argv.join(' '));
        if (failing !== '' && argv[0] === failing) throw new Error('cannot');
        return { exitCode: 0, stdout: '', stderr: '' };
      },
      log: silentLog,
      clock: {
        now: () => ms,
        sleep: async (pause) => {
          ms += pause;
        },
      },
      bricks: {
        forget: async (name) => void done.push(`forget ${name}`),
        disks: async () =>
          ms < busyFor ? disks.map((disk) => ({ ...disk, use: 'in-use' as const })) : disks,
      },
      removeFolder: async (path) => void done.push(`remove ${path}`),
    },
    brick(kind),
  );
  return done;
}

test('a disk is forgotten, then erased', async () => {
  assert.equal(await give('disk', [diskOf('holds-data')]), [
    'forget data',
    'wipefs --all --force /dev/sdb',
    'blkdiscard --force /dev/sdb',
  ]);
});

test('its volume group goes before', async () => {
  assert.equal((await give('lvm-thin', [diskOf('holds-data')]))[1], 'vgremove --force --yes trefoil-data');
});

test('a folder is removed', async () => {
  assert.equal(await give('directory', []), ['forget data', 'remove /var/lib/trefoil/bricks/data']);
});

test('a disk that somebody uses, that is not there, or that is another one, is left as it is', async () => {
  for (const use of ['in-use', 'system', 'brick', 'free'] as const)
    assert.equal(await give('disk', [diskOf(use)]), ['forget data']);
  assert.equal(await give('disk', [{ ...diskOf('holds-data'), serial: 'S2' }]), ['forget data']);
});

test('a brick that is about to end is waited for, but not for ever', async () => {
  assert.is((await give('disk', [diskOf('holds-data')], '', 5_000)).length, 3);
  assert.equal(await give('disk', [diskOf('holds-data')], '', 60_000), ['forget data']);
});

test('a disk that cannot discard is not in the way', async () => {
  assert.is((await give('disk', [diskOf('holds-data')], 'blkdiscard')).length, 3);
});

test.run();
