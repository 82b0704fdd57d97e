import { once } from 'node:events';
import { type FileHandle, open, readdir, rm, stat } from 'node:fs/promises';
import { connect } from 'node:net';
import type { Duplex } from 'node:stream';
import { AppError } from '../contract/error.ts';
import type { VmId } from '../contract/ids.ts';
import { writeFileAtomic } from '../files/atomic.ts';
import { openConsole } from '../libvirt/client.ts';
import { consoleFlag } from '../libvirt/constants.ts';
import type { OpenOptions } from '../libvirt/handshake.ts';
import { procedures } from '../libvirt/procedures/table.ts';
import type { Caller } from '../libvirt/transport.ts';
import { consoleLog, type VmPaths, vncSocket } from './paths.ts';

const noConsole = (cause: unknown): AppError =>
  new AppError({
    code: 'vm.no-console',
    family: 'conflict',
    message: 'The VM has no console now: it does not run on this host.',
    remedy: 'Start the VM, or open its console where it runs.',
    cause,
  });

/** The VM's VNC server, as a stream of bytes. Several may watch at once. */
export async function openVnc(paths: VmPaths, id: VmId, signal: AbortSignal): Promise<Duplex> {
  const socket = connect(vncSocket(paths, id));
  try {
    await once(socket, 'connect', { signal });
  } catch (error) {
    socket.destroy();
    throw noConsole(error);
  }
  return socket;
}

/** The VM's serial console, both ways. There is one: whoever opens it takes it from whoever had it. */
export async function openSerial(
  env: { caller: Caller; libvirt: OpenOptions },
  id: VmId,
  signal: AbortSignal,
): Promise<Duplex> {
  try {
    const { domain } = await env.caller.call(procedures.lookupByUuid, { uuid: id }, { signal });
    return await openConsole(env.libvirt, domain, consoleFlag.force, { signal });
  } catch (error) {
    if (error instanceof AppError && error.code !== 'libvirt.no-domain') throw error;
    throw noConsole(error);
  }
}

/**
 * The newest bytes of what the VM wrote to its serial console, also when it does not run. virtlogd begins a new file at
 * 2 MiB and calls the one before `.0`: what the newest file lacks is taken from there.
 */
export async function readConsoleLog(paths: VmPaths, id: VmId, bytes: number): Promise<Buffer> {
  const path = consoleLog(paths, id);
  const newest = await readEnd(path, bytes);
  if (newest.length >= bytes) return newest;
  return Buffer.concat([await readEnd(`${path}.0`, bytes - newest.length), newest]);
}

async function readEnd(path: string, bytes: number): Promise<Buffer> {
  const file = await openIfThere(path);
  if (file === undefined) return Buffer.alloc(0);
  try {
    const { size } = await file.stat();
    const part = Buffer.alloc(Math.min(size, bytes));
    const { bytesRead } = await file.read(part, 0, part.length, size - part.length);
    return part.subarray(0, bytesRead);
  } finally {
    await file.close();
  }
}

async function openIfThere(path: string): Promise<FileHandle | undefined> {
  try {
    return await open(path, 'r');
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
    throw error;
  }
}

/** A VM that comes anew does not go on with what it wrote here when it was here before. */
export async function forgetConsoleLog(paths: VmPaths, id: VmId): Promise<void> {
  const path = consoleLog(paths, id);
  for (const end of ['', '.0', '.1', '.2']) await rm(`${path}${end}`, { force: true });
}

/** What it wrote on the host that it came from, put before what it writes here. */
export async function writeConsoleHistory(paths: VmPaths, id: VmId, history: Uint8Array): Promise<void> {
  await writeFileAtomic(`${consoleLog(paths, id)}.0`, history, { directoryMode: 0o711 });
}

/** A VM that was deleted, or moved away, may still be asked what it wrote last; after that long nobody does. */
const keepMs = 7 * 24 * 3_600_000;

/** Removes the logs of VMs that this host does not know, `keepMs` after they wrote last. */
export async function sweepConsoleLogs(
  paths: Pick<VmPaths, 'console'>,
  isKnown: (id: string) => boolean,
  nowMs: number,
): Promise<string[]> {
  const gone: string[] = [];
  for (const name of await readdir(paths.console).catch(() => [])) {
    const id = /^([0-9a-f-]{36})\.log(\.\d)?$/.exec(name)?.[1];
    if (id === undefined || isKnown(id)) continue;
    const path = `${paths.console}/${name}`;
    const written = await stat(path).catch(() => undefined);
    if (written === undefined || nowMs - written.mtimeMs < keepMs) continue;
    await rm(path, { force: true });
    gone.push(name);
  }
  return gone;
}
