import { once } from 'node:events';
import { chmod, chown, mkdir, readFile } from 'node:fs/promises';
import { connect } from 'node:net';
import type { Duplex } from 'node:stream';
import type { Caller, NodeHandlers, StreamHandlers } from '../api/handlers.ts';
import type { NodeEvent } from '../contract/events.ts';
import type { VmSpec, VmStatus } from '../contract/vms.ts';
import { libvirtClient } from '../libvirt/client.ts';
import { onlyMigration } from '../libvirt/guard.ts';
import { openTransport } from '../libvirt/handshake.ts';
import { Link } from '../libvirt/link.ts';
import type { Caller as LibvirtCaller } from '../libvirt/transport.ts';
import { makeBook } from '../vms/book.ts';
import {
  forgetConsoleLog,
  openSerial,
  openVnc,
  readConsoleLog,
  sweepConsoleLogs,
  writeConsoleHistory,
} from '../vms/consoles.ts';
import { domainXml } from '../vms/domain-xml.ts';
import { makeFollow } from '../vms/follow.ts';
import { makeIncoming } from '../vms/incoming.ts';
import { metadataNamespace, readMetadata } from '../vms/metadata.ts';
import { makeMigrate } from '../vms/migrate.ts';
import { hostPaths, migrationSocket, onVolume, type VmPaths } from '../vms/paths.ts';
import { makePeer } from '../vms/peer.ts';
import { cleanUpVm, type PrepareEnv, prepareVm } from '../vms/prepare.ts';
import { listenAndRelay } from '../vms/relay.ts';
import { makeSpecStore } from '../vms/spec-store.ts';
import { makeVms } from '../vms/vms.ts';
import { systemVolumes } from '../vms/volume-path.ts';
import { type Base, every } from './base.ts';
import { qemuUser } from './files.ts';
import { libvirtAt } from './machine.ts';

const logDirectory = '/var/log/trefoil';
/** of what a VM wrote to its serial console, so much moves with it */
const historyBytes = 256 * 1024;

export type VmsWiring = {
  accelerator(): Promise<'kvm' | 'tcg'>;
  bridgeOf(network: string): string;
};

export type WiredVms = {
  handlers: Pick<
    NodeHandlers,
    | 'getVms'
    | 'getVm'
    | 'putVm'
    | 'deleteVm'
    | 'actOnVm'
    | 'migrateVm'
    | 'expectVm'
    | 'forgetExpectedVm'
    | 'putVmSerialHistory'
    | 'getVmStatistics'
  >;
  streams: Pick<StreamHandlers, 'console' | 'serial' | 'serialLog' | 'libvirtTunnel' | 'migrationTunnel'>;
  /** names of VMs whose guests may be at work here */
  running(): string[];
  /** the name of the VM that uses this file here, by its absolute path */
  usedBy(path: string): string | undefined;
  present(): NodeEvent[];
  leave: readonly { what: string; undo(): Promise<void> }[];
  start(): void;
  close(): Promise<void>;
};

/** The room `vms` over one connection to libvirt that is renewed for as long as the agent lives. */
export async function wireVms(base: Base, wiring: VmsWiring): Promise<WiredVms> {
  const { options, hub, clock, now, log } = base;
  const paths = hostPaths(options.stateDirectory, options.runDirectory, logDirectory);
  const prepareEnv: PrepareEnv = { ...systemVolumes, paths, qemuUser };
  const store = makeSpecStore(paths.specs);
  const bootId = (await readFile('/proc/sys/kernel/random/boot_id', 'utf8')).trim();
  const book = makeBook({ store, bootId, publish: hub.publish, log });

  let link: Link | undefined;
  const caller: LibvirtCaller = {
    call: (procedure, args, how) =>
      link === undefined ? Promise.reject(new Error('not started')) : link.call(procedure, args, how),
  };
  const libvirt = libvirtClient(caller);
  const vms = makeVms({
    book,
    libvirt,
    accelerator: wiring.accelerator,
    domainXml: (metadata) => domainXml(metadata, { paths, bridgeOf: wiring.bridgeOf }),
    prepare: (spec) => prepareVm(prepareEnv, spec, 'starts'),
    cleanUp: (spec) => cleanUpVm(prepareEnv, spec),
    clock,
    now,
  });
  const follow = makeFollow({
    book,
    libvirt,
    metadataOf: async (client, ref) => readMetadata(await client.metadata(ref, metadataNamespace)),
    notice: base.notice,
    jobCompleted: (id, numbers) => migrate.completed(id, numbers),
    clock,
    now,
    log,
  });
  const migrate = makeMigrate({
    book,
    tasks: base.tasks,
    paths,
    hostId: base.identity.id,
    hostName: base.hostName,
    libvirt,
    withOwnLibvirt: async (body) => {
      const transport = await openTransport(libvirtAt);
      return body(libvirtClient(transport)).finally(() => transport.close());
    },
    peer: (to) => makePeer(base.identity.tls, { ...to, port: options.port }),
    relay: (path, open) => listenAndRelay({ log }, { path, open }),
    serialLog: (id) => readConsoleLog(paths, id, historyBytes),
    notice: base.notice,
    clock,
    log,
  });
  const incoming = makeIncoming({
    book,
    libvirt,
    accelerator: wiring.accelerator,
    bridgeOf: wiring.bridgeOf,
    prepare: (spec) => prepareVm(prepareEnv, spec, 'arrives'),
    forgetLog: (id) => forgetConsoleLog(paths, id),
    writeHistory: (id, history) => writeConsoleHistory(paths, id, history),
    openLibvirt: async () => onlyMigration({ log }, await connected(libvirtAt.socketPath)),
    openMemory: (id) => connected(migrationSocket(paths, id)),
    hostName: base.hostName,
    clock,
    log,
  });

  const { records, damaged } = await store.load();
  for (const record of records) book.add(record);
  for (const { file, error } of damaged) {
    log.error('the record of a VM is damaged', error, { file });
    base.notice('error', error.code, error.message);
  }
  await prepareFolders(paths).catch((error) => log.error('folders of VMs are not as they must be', error));

  return {
    handlers: {
      getVms: () => vms.list(),
      getVm: ({ params }) => vms.get(params.id),
      putVm: ({ params, body }) => vms.put(params.id, body),
      deleteVm: async ({ params }) => {
        await vms.remove(params.id);
        return undefined;
      },
      actOnVm: ({ params, body }) => vms.act(params.id, body.action),
      migrateVm: ({ params, body }) => migrate.start(params.id, body),
      expectVm: ({ params, body, caller }) => incoming.expect(params.id, hostIdOf(caller), body),
      forgetExpectedVm: async ({ params, caller }) => {
        await incoming.forget(params.id, hostIdOf(caller));
        return undefined;
      },
      putVmSerialHistory: async ({ params, body, caller }) => {
        await incoming.takeHistory(params.id, hostIdOf(caller), Buffer.from(body.base64, 'base64'));
        return undefined;
      },
      getVmStatistics: () => follow.statistics(),
    },
    streams: {
      console: (id, signal) => openVnc(paths, id, signal),
      serial: (id, signal) => openSerial({ caller, libvirt: libvirtAt }, id, signal),
      serialLog: (id, bytes) => readConsoleLog(paths, id, bytes),
      libvirtTunnel: (hostId) => incoming.libvirtTunnel(hostId),
      migrationTunnel: (id, hostId) => incoming.memoryTunnel(id, hostId),
    },
    running: () =>
      book
        .all()
        .filter(book.isAlive)
        .map(({ record }) => record.spec.name),
    usedBy: (path) =>
      book.all().find((entry) => book.isAlive(entry) && filesOf(paths, entry.record.spec).includes(path))
        ?.record.spec.name,
    present: () => [
      ...vms.list().map((status: VmStatus): NodeEvent => ({ kind: 'vm', status })),
      { kind: 'vm-statistics', statistics: follow.statistics() },
    ],
    leave: [
      {
        what: 'VMs',
        undo: async () => {
          for (const entry of book.all()) await book.remove(entry, 'This host leaves its cluster.');
        },
      },
    ],
    start: () => {
      link = new Link(
        { log },
        { ...libvirtAt, events: ['lifecycle', 'reboot', 'io-error-reason', 'job-completed'] },
        {
          resync: (caller) => follow.resync(libvirtClient(caller)),
          event: follow.event,
          down: follow.down,
          up: follow.up,
        },
      );
      const isKnown = (id: string) => book.find(id) !== undefined;
      every(base, 3_600_000, 'console logs', async () => {
        const gone = await sweepConsoleLogs(paths, isKnown, now().getTime());
        if (gone.length > 0) log.info('console logs of VMs that are gone were removed', { files: gone });
      });
      let looking = false;
      every(base, 5_000, 'VMs', async () => {
        if (looking) return;
        looking = true;
        try {
          await follow.tick();
          await incoming.tick();
          await migrate.tick();
        } finally {
          looking = false;
        }
      });
    },
    close: async () => link?.close(),
  };
}

const hostIdOf = (caller: Caller): string => (caller.kind === 'peer' ? caller.id : '');

async function connected(path: string): Promise<Duplex> {
  const socket = connect({ path, allowHalfOpen: true });
  await once(socket, 'connect');
  return socket;
}

const filesOf = (paths: VmPaths, spec: VmSpec): string[] =>
  spec.disks.map(({ volume, path }) => onVolume(paths, volume, path));

/** Sockets' folders: QEMU makes its sockets there itself, as its own user, and so must be able to replace old ones. */
async function prepareFolders(paths: VmPaths): Promise<void> {
  for (const folder of [paths.vnc, paths.migration]) {
    await mkdir(folder, { recursive: true });
    await chown(folder, 0, qemuUser.gid);
    await chmod(folder, 0o770);
  }
  await mkdir(paths.console, { recursive: true, mode: 0o711 });
}
