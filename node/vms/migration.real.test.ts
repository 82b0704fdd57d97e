import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Duplex } from 'node:stream';
import * as assert from 'uvu/assert';
import { eventually } from '../../test/support/eventually.ts';
import { type PrivateLibvirtd, startLibvirtd } from '../../test/support/libvirtd.ts';
import { suite } from '../../test/support/suite.ts';
import { AppError } from '../contract/error.ts';
import { vmSpecSchema } from '../contract/vms.ts';
import { type LibvirtClient, libvirtClient } from '../libvirt/client.ts';
import { migrateFlag } from '../libvirt/constants.ts';
import { onlyMigration } from '../libvirt/guard.ts';
import { openTransport } from '../libvirt/handshake.ts';
import type { DomainRef } from '../libvirt/procedures/shapes.ts';
import type { Transport } from '../libvirt/transport.ts';
import { param } from '../libvirt/typed-params.ts';
import { makeLog } from '../log/log.ts';
import { domainXml } from './domain-xml.ts';
import { metadataNamespace, readMetadata, type VmMetadata } from './metadata.ts';
import { hostPaths, libvirtSocket, migrationSocket, type VmPaths } from './paths.ts';
import { listenAndRelay, type Relay } from './relay.ts';

/** Live migration as the agents do it, between two real daemons that share nothing but the disk's folder. */
const test = suite('live migration through relays', { deadlineMs: 90_000 });

const spec = vmSpecSchema.parse({
  id: '1f0c9f4e-5f43-4f57-9d5e-0d8a6f6b7c10',
  name: 'mover',
  cpus: 1,
  memoryMiB: 128,
  disks: [{ serial: 'os', volume: 'data', path: 'disks/os.qcow2', format: 'qcow2', bootOrder: 1 }],
  nics: [],
});
const metadata: VmMetadata = {
  generation: 5,
  startedAt: '2026-01-02T03:04:05.000Z',
  accelerator: 'tcg',
  spec,
};
// The disk's folder is a plain one here, which libvirt does not take for shared: on a volume it needs no such word.
const flags =
  migrateFlag.live |
  migrateFlag.peerToPeer |
  migrateFlag.abortOnError |
  migrateFlag.autoConverge |
  migrateFlag.unsafe;

type Host = { daemon: PrivateLibvirtd; transport: Transport; client: LibvirtClient };
let state = '';
let paths: VmPaths;
let source: Host;
let target: Host;
const lines: string[] = [];
const log = makeLog('test', (line) => lines.push(line));

async function startHost(): Promise<Host> {
  const daemon = await startLibvirtd({ own: ['/run/trefoil', '/var/log/trefoil'] });
  for (const path of [paths.vnc, paths.migration, paths.console])
    mkdirSync(daemon.outside(path), { recursive: true });
  const transport = await openTransport({ socketPath: daemon.socketPath, uri: 'qemu:///system' });
  return { daemon, transport, client: libvirtClient(transport) };
}
test.before(async () => {
  state = mkdtempSync(join(tmpdir(), 'trefoil-migration-'));
  paths = hostPaths(state, '/run/trefoil', '/var/log/trefoil');
  mkdirSync(join(paths.volumes, 'data', 'disks'), { recursive: true });
  const disk = join(paths.volumes, 'data', 'disks', 'os.qcow2');
  execFileSync('qemu-img', ['create', '-q', '-f', 'qcow2', disk, '64M']);
  source = await startHost();
  target = await startHost();
});
test.after(async () => {
  for (const host of [source, target]) {
    host?.transport.close();
    await host?.daemon.stop();
  }
  rmSync(state, { recursive: true, force: true });
});

const reach = async (path: string): Promise<Duplex> => {
  const socket = connect({ path, allowHalfOpen: true });
  await once(socket, 'connect');
  return socket;
};
const toLibvirt = async () => onlyMigration({ log }, await reach(target.daemon.socketPath));
const toQemu = () => reach(target.daemon.outside(migrationSocket(paths, spec.id)));

async function withRelays(
  body: (go: (domain: DomainRef, signal?: AbortSignal) => Promise<void>) => Promise<void>,
  dial: { libvirt: () => Promise<Duplex>; memory: () => Promise<Duplex> } = {
    libvirt: toLibvirt,
    memory: toQemu,
  },
): Promise<void> {
  const [libvirt, memory] = [libvirtSocket(paths, spec.id), migrationSocket(paths, spec.id)];
  const relays: Relay[] = [
    await listenAndRelay({ log }, { path: source.daemon.outside(libvirt), open: dial.libvirt }),
    await listenAndRelay({ log }, { path: source.daemon.outside(memory), open: dial.memory }),
  ];
  try {
    await body((domain, signal) =>
      source.client.migratePeerToPeer(
        domain,
        `qemu+unix:///system?socket=${libvirt}`,
        [param.string('migrate_uri', `unix://${memory}`)],
        flags,
        { deadlineMs: 60_000, ...(signal === undefined ? {} : { signal }) },
      ),
    );
  } finally {
    for (const relay of relays) await relay.close();
  }
}

const start = () => source.client.createXml(domainXml(metadata, { paths, bridgeOf: () => 'none' }));
const codeOf = (promise: Promise<void>): Promise<string> =>
  promise.then(
    () => 'no error',
    (error: unknown) => (error instanceof AppError ? `${error.code}: ${error.message}` : String(error)),
  );
/** It is where it was, it runs, and nothing of it is on the target. */
async function stayed(domain: DomainRef): Promise<void> {
  await eventually(
    'it runs on its source',
    async () => (await source.client.state(domain)).state === 'running',
  );
  await eventually('the target has nothing', async () => (await target.client.listDomains()).length === 0);
}

test('a running VM moves, with all that it knows about itself, and nothing stays behind', async () => {
  const domain = await start();
  await withRelays((go) => go(domain));
  assert.equal(await source.client.listDomains(), []);
  const [moved] = await target.client.listDomains();
  assert.ok(moved);
  assert.equal(await target.client.state(moved), { state: 'running', reason: 'migrated here' });
  assert.equal(readMetadata(await target.client.metadata(moved, metadataNamespace)), metadata);
  assert.is(lines.join('\n'), '');
  await target.client.destroy(moved);
});

test('a target that cannot be reached: the VM stays and runs', async () => {
  const domain = await start();
  const unreachable = async () => {
    throw new Error('the other host does not answer');
  };
  await withRelays(async (go) => assert.match(await codeOf(go(domain)), /^libvirt\./), {
    libvirt: unreachable,
    memory: unreachable,
  });
  await stayed(domain);
  await source.client.destroy(domain);
});

test('the way for the memory breaks: the VM stays and runs, the target has cleaned up', async () => {
  const domain = await start();
  await withRelays(async (go) => assert.match(await codeOf(go(domain)), /^libvirt\./), {
    libvirt: toLibvirt,
    memory: async () => {
      const far = await toQemu();
      far.once('drain', () => far.destroy());
      return far;
    },
  });
  await stayed(domain);
  await source.client.destroy(domain);
});

test('a move that is cancelled leaves the VM where it was', async () => {
  const domain = await start();
  await withRelays(async (go) => {
    // So slow that it is surely under way when it is cancelled.
    await source.client.setMaxSpeed(domain, 1);
    const moving = codeOf(go(domain));
    await eventually('it is under way', async () => {
      const job = await source.client.job(domain);
      return (job.values.number('memory_processed') ?? 0) > 0;
    });
    await source.client.abortJob(domain);
    assert.match(await moving, 'libvirt.aborted');
  });
  await stayed(domain);
  await source.client.destroy(domain);
});

test.run();
