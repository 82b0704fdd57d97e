import * as assert from 'uvu/assert';
import { suite } from '../../test/support/suite.ts';
import { type DiskObservation, describeDisk, isDisk, isMakeshift } from './describe.ts';
import {
  type BlockDevice,
  parseAllowedLoops,
  parseLsblk,
  parseMountinfo,
  parseSwaps,
  parseWipefs,
} from './observation.ts';

const test = suite('disks');

const device = (more: Partial<BlockDevice> = {}): BlockDevice => ({
  kname: 'sdb',
  path: '/dev/sdb',
  type: 'disk',
  sizeBytes: 480 * 1024 ** 3,
  model: 'SSD 870',
  serial: 'S1',
  wwn: undefined,
  rotational: false,
  readOnly: false,
  mountPoints: [],
  children: [],
  ...more,
});
const seen = (more: Partial<DiskObservation> = {}): DiskObservation => ({
  device: device(),
  serial: undefined,
  signatures: [],
  swaps: [],
  held: false,
  hasOtherData: false,
  broken: undefined,
  bricks: { uuids: ['u-brick'], lvmSerials: ['S-lvm'] },
  ...more,
});
const sign = (type: string, uuid?: string, label?: string) => ({ type, uuid, label });

const cases: [string, Partial<DiskObservation>, string, string][] = [
  ['nothing on it', {}, 'free', 'empty'],
  [
    'a file system',
    { signatures: [sign('ext4', 'x', 'backup')] },
    'holds-data',
    'ext4 file system, label backup',
  ],
  [
    'a partition table',
    {
      signatures: [sign('gpt'), sign('gpt'), sign('PMBR')],
      device: device({ children: [device({ kname: 'sdb1' })] }),
    },
    'holds-data',
    'GPT partition table, 1 partition or volumes',
  ],
  ['no signature, yet not zeros', { hasOtherData: true }, 'holds-data', 'data of an unknown kind'],
  ['LVM', { signatures: [sign('LVM2_member')] }, 'holds-data', 'LVM member'],
  [
    'mounted',
    { device: device({ mountPoints: ['/srv'] }), signatures: [sign('xfs', 'x')], held: true },
    'in-use',
    'xfs file system, mounted at /srv',
  ],
  [
    'held in a way that we cannot see',
    { held: true },
    'in-use',
    'empty, held by the system or another program',
  ],
  ['read-only', { device: device({ readOnly: true }) }, 'in-use', 'empty, read-only'],
  [
    'the root file system on a partition',
    { device: device({ children: [device({ mountPoints: ['/'] })] }), held: true },
    'system',
    'the operating system',
  ],
  [
    'swap',
    { device: device({ children: [device({ path: '/dev/sdb3' })] }), swaps: ['/dev/sdb3'] },
    'system',
    'swap of this host',
  ],
  [
    'our brick',
    { signatures: [sign('xfs', 'u-brick', 'trefoil')], held: true },
    'brick',
    'brick of this cluster',
  ],
  [
    'our brick in LVM',
    { serial: 'S-lvm', signatures: [sign('LVM2_member')], held: true },
    'brick',
    'brick of this cluster',
  ],
  [
    'a brick of another cluster',
    { signatures: [sign('xfs', 'other', 'trefoil')] },
    'holds-data',
    'xfs file system, label trefoil',
  ],
  ['a disk that fails', { broken: 'input/output error' }, 'in-use', 'cannot be read: input/output error'],
];
for (const [what, more, use, contents] of cases)
  test(`use: ${what}`, () => {
    const disk = describeDisk(seen(more));
    assert.is(disk.use, use);
    assert.is(disk.contents, contents);
  });

test('the serial number: its own, else the world-wide name, else a makeshift one', () => {
  assert.is(describeDisk(seen()).serial, 'S1');
  assert.is(describeDisk(seen({ device: device({ serial: undefined, wwn: '0x5' }) })).serial, '0x5');
  const { serial } = describeDisk(seen({ device: device({ serial: undefined }) }));
  assert.is(serial, 'device:sdb');
  assert.ok(isMakeshift(serial));
});

test('which devices are disks of this host', () => {
  const here = () => true;
  const loops = new Map([['loop3', 'LAB-1']]);
  assert.ok(isDisk(device(), here, loops));
  assert.not(
    isDisk(device(), () => false, loops),
    'its file is not in /dev',
  );
  assert.not(isDisk(device({ sizeBytes: 0 }), here, loops));
  assert.not(isDisk(device({ kname: 'zram0' }), here, loops));
  assert.not(isDisk(device({ type: 'rom' }), here, loops));
  assert.ok(isDisk(device({ type: 'loop', kname: 'loop3' }), here, loops));
  assert.not(isDisk(device({ type: 'loop', kname: 'loop4' }), here, loops));
});

test('lsblk, as util-linux 2.41 writes it in a container', () => {
  const [loop, vda] = parseLsblk(`{"blockdevices": [
    {"kname":"loop3","path":"/dev/loop3","type":"loop","size":21474836480,"model":null,"serial":null,"wwn":null,
     "rota":true,"ro":false,"mountpoints":["/var/lib/trefoil/bricks/b"]},
    {"kname":"vda","path":"/dev/vda","type":"disk","size":274877906944,"model":null,"serial":" X ","wwn":"",
     "rota":true,"ro":false,"mountpoints":[null],
     "children":[{"kname":"vda1","path":"/dev/vda1","type":"part","size":1,"model":null,"serial":null,"wwn":null,"rota":true,"ro":false,"mountpoints":["/"]}]}]}`);
  assert.equal(loop?.mountPoints, ['/var/lib/trefoil/bricks/b']);
  assert.equal([vda?.serial, vda?.wwn, vda?.mountPoints], ['X', undefined, []]);
  assert.equal(vda?.children[0]?.mountPoints, ['/']);
  for (const broken of ['', '{"blockdevices": [{"kname"', '{"blockdevices": [{"kname": "x"}]}'])
    assert.throws(() => parseLsblk(broken), /lsblk gave an answer/);
});

test('wipefs', () => {
  assert.equal(parseWipefs('{\n   "signatures": [\n\n   ]\n}\n'), []);
  assert.equal(parseWipefs(''), []);
  const text =
    '{"signatures":[{"device":"b","offset":"0x0","type":"xfs","uuid":"59a1b580","label":"trefoil"}]}';
  assert.equal(parseWipefs(text), [{ type: 'xfs', uuid: '59a1b580', label: 'trefoil' }]);
  assert.throws(() => parseWipefs('{"signatures":[{'), /wipefs gave an answer/);
});

test('loops that are allowed, swaps, mounts', () => {
  assert.equal([...parseAllowedLoops('loop3 LAB-1\n# sda X\nsda X\n\nloop4\n')], [['loop3', 'LAB-1']]);
  assert.equal(parseSwaps('Filename\tType\n/dev/sda2 partition 1 0 -2\n'), ['/dev/sda2']);
  assert.equal(
    parseMountinfo('36 35 7:3 / /mnt/a\\040b rw,noatime shared:1 - xfs /dev/loop3 rw\ngarbage\n'),
    [{ device: '7:3', root: '/', mountPoint: '/mnt/a b', type: 'xfs', source: '/dev/loop3' }],
  );
});

test.run();
