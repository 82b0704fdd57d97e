import { execFileSync } from 'node:child_process';
import { mkdtemp, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as assert from 'uvu/assert';
import { eventually } from '../../test/support/eventually.ts';
import { type Machine, startMachine } from '../../test/support/qemu.ts';
import { suite } from '../../test/support/suite.ts';
import { buildGuestImage } from './build.ts';

const test = suite('test guest', { deadlineMs: 400_000 });
let dir = '';
let disk = '';

test.before(async () => {
  const image = await buildGuestImage();
  dir = await mkdtemp(join(tmpdir(), 'trefoil-guest-test-'));
  disk = join(dir, 'disk.qcow2');
  execFileSync('qemu-img', ['create', '-q', '-f', 'qcow2', '-b', image.path, '-F', 'qcow2', disk]);
});
test.after(() => rm(dir, { recursive: true, force: true }));

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  if (address === null || typeof address === 'string') throw new Error('no port');
  return address.port;
}

/** The seed as the host agent makes it: a FAT volume labelled CIDATA. */
async function seedDisk(files: Record<string, string>): Promise<string> {
  const path = join(dir, 'seed.img');
  await rm(path, { force: true });
  await writeFile(path, '');
  await truncate(path, 1024 * 1024);
  execFileSync('mkfs.vfat', ['-n', 'CIDATA', path]);
  for (const [name, content] of Object.entries(files))
    execFileSync('mcopy', ['-i', path, '-', `::${name}`], { input: content });
  return path;
}

test('boots, takes name and address from its seed, counts, writes, and obeys the power button', async () => {
  const seed = await seedDisk({
    'meta-data': 'instance-id: i-1\nlocal-hostname: vm-seven\n',
    'user-data': '#cloud-config\n',
    'network-config':
      'version: 2\nethernets:\n  eth0:\n    addresses: [10.0.2.50/24]\n    gateway4: 10.0.2.2\n',
  });
  const port = await freePort();
  const boot = () =>
    startMachine({
      memoryMiB: 160,
      args: [
        ...['-drive', `file=${disk},if=virtio`],
        ...['-drive', `file=${seed},if=virtio,format=raw,readonly=on`],
        ...['-nic', `user,model=virtio,restrict=on,hostfwd=tcp:127.0.0.1:${port}-10.0.2.50:80`],
      ],
    });
  const shutDown = async (machine: Machine) => {
    await machine.monitor('system_powerdown');
    await machine.ended(60_000);
  };

  const first = await boot();
  try {
    await first.sees(/host name: vm-seven/, 150_000);
    await first.sees(/address: 10\.0\.2\.50\/24/, 60_000);
    await first.sees(/tick 5 /, 60_000);
    await first.sees(/wrote 2 /, 60_000);
    const state = await eventually(
      'the web page',
      async () => (await fetch(`http://127.0.0.1:${port}/cgi-bin/state`)).json() as Promise<{ name: string }>,
      { deadlineMs: 20_000 },
    );
    assert.is(state.name, 'vm-seven');
    await shutDown(first);
    const ticks = [...(await first.serial()).matchAll(/^tick (\d+) /gm)].map((it) => Number(it[1]));
    assert.equal(
      ticks,
      ticks.map((_, index) => index),
    );
  } finally {
    await first.kill();
  }

  const last = /n=(\d+) boot=/.exec(await newestRecord())?.[1];
  const second = await boot();
  try {
    const found = await second.sees(/disk: \/dev\/vda2, first record (\d+)/, 150_000);
    assert.is(Number(found[1]), Number(last) + 1);
  } finally {
    await second.kill();
  }
});

async function newestRecord(): Promise<string> {
  const raw = join(dir, 'disk.raw');
  execFileSync('qemu-img', ['convert', '-O', 'raw', disk, raw]);
  const records = (await readFile(raw, 'latin1')).slice(-1024 * 1024).match(/trefoil-witness [^\n]*/g) ?? [];
  const numberOf = (record: string) => Number(/n=(\d+)/.exec(record)?.[1]);
  return records.sort((a, b) => numberOf(b) - numberOf(a))[0]?.trim() ?? '';
}

test.run();
