import { execFileSync } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import * as assert from 'uvu/assert';
import { eventually } from '../../test/support/eventually.ts';
import { type PrivateLibvirtd, startLibvirtd } from '../../test/support/libvirtd.ts';
import { suite } from '../../test/support/suite.ts';
import { vmSpecSchema } from '../contract/vms.ts';
import { type LibvirtClient, libvirtClient } from '../libvirt/client.ts';
import { statsGroup } from '../libvirt/constants.ts';
import { openTransport } from '../libvirt/handshake.ts';
import type { Transport } from '../libvirt/transport.ts';
import { openSerial, openVnc, readConsoleLog } from './consoles.ts';
import { domainName, domainXml } from './domain-xml.ts';
import { metadataNamespace, readMetadata, type VmMetadata } from './metadata.ts';
import { hostPaths, type VmPaths } from './paths.ts';

const test = suite('domain XML on the real daemon', { deadlineMs: 90_000 });

const spec = vmSpecSchema.parse({
  id: '1f0c9f4e-5f43-4f57-9d5e-0d8a6f6b7c10',
  name: 'diskless',
  cpus: 1,
  memoryMiB: 96,
  disks: [],
  nics: [],
});
const metadata: VmMetadata = {
  generation: 3,
  startedAt: '2026-01-02T03:04:05.000Z',
  accelerator: 'tcg',
  spec,
};

let daemon: PrivateLibvirtd;
let transport: Transport;
let client: LibvirtClient;
let paths: VmPaths;
const never = new AbortController().signal;

test.before(async () => {
  daemon = await startLibvirtd();
  transport = await openTransport({ socketPath: daemon.socketPath, uri: 'qemu:///system' });
  client = libvirtClient(transport);
  const root = join(daemon.directory, 'host');
  paths = hostPaths(root, root, root);
  for (const path of [paths.vnc, paths.console]) mkdirSync(path, { recursive: true });
});
test.after(async () => {
  transport?.close();
  await daemon?.stop();
});

/** KVM cannot be had everywhere; what differs with it is the type and the CPU. */
const emulated = (xml: string): string => xml.replace("<domain type='kvm'>", "<domain type='qemu'>");

test('every golden is accepted', async () => {
  const folder = join(import.meta.dirname, 'golden');
  const names = readdirSync(folder).filter((name) => name.endsWith('.golden.xml'));
  assert.ok(names.length >= 8);
  for (const name of names) {
    const domain = await client.defineXml(emulated(readFileSync(join(folder, name), 'utf8')));
    await client.undefine(domain);
  }
});

test('a VM without disks starts, is seen, heard and measured, and stops', async () => {
  const domain = await client.createXml(domainXml(metadata, { paths, bridgeOf: () => 'none' }));
  assert.is(domain.name, domainName(spec));
  assert.equal(readMetadata(await client.metadata(domain, metadataNamespace)), metadata);
  assert.is((await client.state(domain)).state, 'running');

  const screen = await openVnc(paths, spec.id, never);
  const hello = await new Promise((resolve) => screen.once('data', resolve));
  assert.match(String(hello), /^RFB 003/);
  screen.destroy();

  const libvirt = { socketPath: daemon.socketPath, uri: 'qemu:///system' };
  const serial = await openSerial({ caller: transport, libvirt }, spec.id, never);
  serial.destroy();
  assert.ok((await readConsoleLog(paths, spec.id, 1000)).length >= 0);

  const groups = statsGroup.state | statsGroup.cpu | statsGroup.balloon | statsGroup.block;
  const cpuTime = await eventually('it uses the processor', async () => {
    const [stats] = await client.allStats(groups);
    return (stats?.values.number('cpu.time') ?? 0) > 0;
  });
  assert.is(cpuTime, true);
  await client.destroy(domain);
  assert.equal(await client.listDomains(), []);
});

test('a start costs no more than with virsh: 1.2 times and 100 ms', async () => {
  const xml = domainXml(metadata, { paths, bridgeOf: () => 'none' });
  const file = join(daemon.directory, 'domain.xml');
  writeFileSync(file, xml);
  const virsh = (...args: string[]): string =>
    execFileSync('virsh', ['-c', `qemu+unix:///system?socket=${daemon.socketPath}`, ...args], {
      encoding: 'utf8',
      env: { ...process.env, LC_ALL: 'C.UTF-8' },
    });
  const rounds = { virsh: [] as number[], ours: [] as number[] };
  for (let round = 0; round < 4; round++) {
    let started = performance.now();
    virsh('create', file);
    rounds.virsh.push(performance.now() - started);
    await client.destroy(await client.lookup(spec.id));
    started = performance.now();
    const domain = await client.createXml(xml);
    rounds.ours.push(performance.now() - started);
    await client.destroy(domain);
  }
  const best = { virsh: Math.min(...rounds.virsh), ours: Math.min(...rounds.ours) };
  console.log(`  start: virsh ${Math.round(best.virsh)} ms, ours ${Math.round(best.ours)} ms`);
  assert.ok(best.ours <= best.virsh * 1.2 + 100, JSON.stringify(rounds));
});

test.run();
