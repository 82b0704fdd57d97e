import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { rolldown } from 'rolldown';
import * as assert from 'uvu/assert';
import { z } from 'zod';
import { buildHostTree } from '../../image/host/build.ts';
import { brickStatusSchema, hostDiskSchema } from '../../node/contract/disks.ts';
import { etcdStatusSchema } from '../../node/contract/etcd.ts';
import { openLab } from '../lab/lab.ts';
import { makeTestCa } from '../support/certificates.ts';
import { suite } from '../support/suite.ts';

/** One bare host: its systemd, its disk and its etcd in the hands of the agent's rooms. */
const test = suite('rooms inside a host', { deadlineMs: 120_000 });
const lab = await openLab({ prefix: 'rooms', hosts: 1 });
const host = lab.host('host1');
let folder = '';
let serial = '';

const rooms = async (...argv: string[]): Promise<unknown> => {
  const { stdout } = await host.exec(['/usr/lib/trefoil/node', '/var/tmp/rooms.mjs', ...argv], {
    timeoutMs: 100_000,
  });
  return JSON.parse(stdout.trim().split('\n').at(-1) ?? '');
};

test.before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'trefoil-rooms-'));
  const bundle = await rolldown({
    input: join(import.meta.dirname, 'rooms.ts'),
    platform: 'node',
    external: ['usocket', 'x11', 'abstract-socket'],
  });
  await bundle.write({ file: join(folder, 'rooms.mjs'), format: 'esm', codeSplitting: false });
  const { tree } = await buildHostTree();
  await lab.start({ tree });
  await host.waitBooted();
  await host.push(join(folder, 'rooms.mjs'), '/var/tmp/rooms.mjs');
  serial = (await host.exec(['cat', '/etc/trefoil/disks-allow-loop'])).stdout.trim().split(' ')[1] ?? '';
});
test.after(async () => {
  await lab.stop();
  await rm(folder, { recursive: true });
});

const unitsSchema = z.record(z.string(), z.unknown()).and(
  z.object({
    told: z.array(z.string()),
    status: z.object({ activeState: z.string(), mainPid: z.number() }),
    afterBad: z.object({ activeState: z.string(), result: z.string() }),
  }),
);
test('units: job results, states told, the bus away meanwhile', async () => {
  const result = unitsSchema.parse(await rooms('units'));
  assert.is(result['good'], 'done');
  assert.is(result['bad'], 'unit.job-failed: try-bad.service could not be started: it failed.');
  assert.is(result['slow'], 'unit.job-failed: try-slow.service could not be started: it failed.');
  assert.match(String(result['none']), 'bus.refused');
  assert.is(result.status.activeState, 'active');
  assert.equal([result.afterBad.activeState, result.afterBad.result], ['failed', 'exit-code']);
  assert.is(result['again'], 'done');
  assert.is(result['stopped'], 'done');
  assert.is(result['enabled'], 'enabled');
  assert.is(result.told[0], 'inactive');
});

test('name and time', async () => {
  const schema = z.object({
    before: z.string(),
    after: z.string(),
    time: z.object({ synchronized: z.boolean(), sources: z.array(z.string()) }),
  });
  const result = schema.parse(await rooms('machine'));
  assert.is(result.after, 'renamed');
});

test('a disk becomes a brick place, once, and is there again after a power cut', async () => {
  const schema = z.object({
    before: z.array(hostDiskSchema),
    after: z.array(hostDiskSchema),
    first: brickStatusSchema,
    second: brickStatusSchema,
    taken: z.string(),
    unknown: z.string(),
    fsync: z.object({ samples: z.number() }),
  });
  const result = schema.parse(await rooms('disks', serial));
  assert.equal(
    result.before.map((disk) => [disk.serial, disk.use, disk.contents]),
    [[serial, 'free', 'empty']],
  );
  assert.equal(
    result.after.map((disk) => disk.use),
    ['brick'],
  );
  assert.ok(result.first.mounted && result.first.sizeMiB > 10_000);
  assert.equal(result.second, result.first);
  assert.match(result.taken, 'disk.brick');
  assert.match(result.unknown, 'disk.not-found');
  const mounted = await host.exec([
    'findmnt',
    '--noheadings',
    '--output',
    'FSTYPE,OPTIONS',
    result.first.path,
  ]);
  assert.match(mounted.stdout, /^xfs .*noatime/);

  await host.exec(['sh', '-c', `echo kept > ${result.first.path}/file && sync`]);
  await host.powerOff();
  await host.powerOn();
  await host.waitBooted();
  // systemd mounted it before anyone asked
  assert.is((await host.exec(['cat', `${result.first.path}/file`])).stdout, 'kept\n');
  await host.exec([
    'sh',
    '-c',
    'systemctl stop var-lib-trefoil-bricks-main.mount; rm /etc/systemd/system/var-lib-trefoil-bricks-main.mount; systemctl daemon-reload',
  ]);
  const [restored] = z.array(brickStatusSchema).parse(await rooms('restore'));
  assert.is(restored?.mounted, true);
  assert.is((await host.exec(['cat', `${result.first.path}/file`])).stdout, 'kept\n');
});

test('a volume that could not be made leaves no mark on its bricks; one that was made keeps it', async () => {
  await host.exec(['systemctl', 'start', 'glusterd.service']);
  const brick = (path: string) => `${host.plan.address}:${path}`;
  const place = '/var/lib/trefoil/bricks/main';
  const create = async (name: string, ...paths: string[]) => {
    const argv = ['gluster', '--mode=script', 'volume', 'create', name, ...paths.map(brick)];
    return (await host.exec(argv, { okExitCodes: [1], timeoutMs: 60_000 })).exitCode === 0;
  };
  const marks = async (name: string) =>
    (await host.exec(['getfattr', '--absolute-names', '-m', '.', `${place}/${name}`])).stdout.includes(
      'volume-id',
    );
  assert.is(await create('made', `${place}/made`), true);
  assert.is(await create('half', `${place}/half`, '/proc/no/such'), false);
  assert.is(await create('half', `${place}/half`), false, 'Gluster itself does not forgive it');
  assert.is(await marks('half'), true);
  await rooms('sweep');
  assert.is(await marks('half'), true, 'it is too young');
  await host.exec(['sleep', '11']);
  await rooms('sweep');
  assert.equal([await marks('half'), await marks('made')], [false, true]);
  assert.is(await create('half', `${place}/half`), true);
  await host.exec(['gluster', '--mode=script', 'volume', 'start', 'made'], { timeoutMs: 60_000 });
  await rooms('sweep');
  assert.is(await marks('made'), true);
});

test('etcd as a service of the host', async () => {
  const { address } = host.plan;
  const ca = await makeTestCa();
  const { certificate, key } = await ca.issue({
    id: 'host1',
    role: 'host',
    addresses: [address, '127.0.0.1'],
  });
  await host.write('/var/tmp/ca.pem', ca.certificate);
  await host.write('/var/tmp/cert.pem', certificate);
  await host.write('/var/tmp/key.pem', key, 0o600);
  const schema = z.object({
    before: etcdStatusSchema,
    value: z.string(),
    samePid: z.boolean(),
    other: z.string(),
    after: etcdStatusSchema,
    removed: etcdStatusSchema,
  });
  const result = schema.parse(await rooms('etcd', address));
  assert.is(result.before.configured, false);
  assert.is(result.value, 'value');
  assert.is(result.samePid, true, 'the same settings again do not restart it');
  assert.match(result.other, 'etcd.other-cluster');
  assert.equal([result.after.healthy, result.after.leader], [true, true]);
  assert.is(result.removed.configured, false);
  const left = await host.exec(
    [
      'sh',
      '-c',
      'find /var/lib/etcd /var/lib/trefoil/etcd -mindepth 1 -maxdepth 1 -printf "%f\\n"; systemctl is-active etcd',
    ],
    { okExitCodes: [1, 2, 3] },
  );
  assert.not.match(left.stdout, /^(pki|trefoil|environment)$/m);
  assert.match(left.stdout, 'inactive');
});

test.run();
