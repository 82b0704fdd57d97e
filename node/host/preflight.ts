import { isIPv4 } from 'node:net';
import { type Run, unreadable } from '../command/run.ts';
import type { FsyncLatency } from '../contract/disks.ts';
import { AppError, errorChain } from '../contract/error.ts';
import type { PreflightReport, PreflightRequest } from '../contract/host.ts';
import type { HostNic } from '../contract/network.ts';
import type { Log } from '../log/log.ts';

export type PreflightEnv = {
  run: Run;
  now(): Date;
  version: string;
  nics(): Promise<HostNic[]>;
  accelerator(): Promise<'kvm' | 'tcg'>;
  memoryMiB(): Promise<number>;
  systemFreeMiB(): Promise<number>;
  fsync(directory: string): Promise<FsyncLatency>;
  log: Log;
};

type Peer = PreflightRequest['peers'][number];
type Reach = PreflightReport['reach'][number];

/** This host measures itself and its ways to others. It sends a few packets and writes one small file; changes nothing. */
export async function preflight(env: PreflightEnv, request: PreflightRequest): Promise<PreflightReport> {
  const nics = await env.nics();
  const [reach, conflicts, virtualization, memoryMiB, systemFreeMiB] = await Promise.all([
    Promise.all(request.peers.map((peer) => reachOf(env, nics, peer))),
    Promise.all(request.wanted.map(({ nic, address }) => conflictOf(env, nics, nic, address))),
    env.accelerator(),
    env.memoryMiB(),
    env.systemFreeMiB(),
  ]);
  // Last and alone: the disk is measured while nothing else of ours is under way.
  const fsync =
    request.fsyncDirectory === undefined ? undefined : await measured(env, request.fsyncDirectory);
  return {
    version: env.version,
    now: env.now().toISOString(),
    virtualization: virtualization === 'kvm' ? 'kvm' : 'none',
    memoryMiB,
    systemFreeMiB,
    reach,
    addressConflicts: conflicts.filter((found) => found !== undefined),
    ...(fsync === undefined ? {} : { fsync }),
  };
}

/** A full disk cannot be measured; that it is full is said by `systemFreeMiB`. */
async function measured(env: PreflightEnv, directory: string): Promise<FsyncLatency | undefined> {
  try {
    return await env.fsync(directory);
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOSPC') return undefined;
    throw error;
  }
}

/** A card that is part of a bridge speaks through it; one of our own addresses (of a VLAN, say) speaks for itself. */
const speaker = (nics: readonly HostNic[], name: string): { device: string; mtu: number } | undefined => {
  if (isIPv4(name)) return { device: name, mtu: Number.POSITIVE_INFINITY };
  const nic = nics.find((one) => one.name === name);
  return nic === undefined ? undefined : { device: nic.bridge ?? nic.name, mtu: nic.mtu };
};

async function reachOf(env: PreflightEnv, nics: readonly HostNic[], peer: Peer): Promise<Reach> {
  const { network, address } = peer;
  const from = speaker(nics, peer.from);
  if (from === undefined) return { network, address, reachable: false, fullMtu: false };
  const rttMs = await ping(env.run, from.device, address, 3, 56);
  if (rttMs === undefined) return { network, address, reachable: false, fullMtu: false };
  const size = fullPayload(address, peer.mtu, from.mtu);
  const whole = await ping(env.run, from.device, address, 2, size);
  return { network, address, reachable: true, fullMtu: whole !== undefined, rttMs };
}

/**
 * What a whole frame carries besides the headers: IPv4 20 or IPv6 40, ICMP 8. A card whose MTU is still smaller than what
 * is wanted cannot send larger frames yet; then what it can send is tried, and the rest shows when the network is made.
 */
export function fullPayload(address: string, wantedMtu: number, currentMtu: number): number {
  return Math.min(wantedMtu, currentMtu) - (address.includes(':') ? 48 : 28);
}

/** The average round trip in ms, undefined without an answer. Frames are never split on the way (`-M do`). */
async function ping(
  run: Run,
  device: string,
  address: string,
  count: number,
  size: number,
): Promise<number | undefined> {
  const { stdout, exitCode } = await run(
    [
      'ping',
      '-n',
      '-q',
      ...['-c', String(count)],
      ...['-i', '0.2'],
      ...['-W', '1'],
      ...['-M', 'do'],
      ...['-s', String(size)],
      ...['-I', device],
      address,
    ],
    // 1: no answer; 2: no route, no such address here
    { timeoutMs: 15_000, okExitCodes: [1, 2] },
  );
  return exitCode === 0 ? pingRtt(stdout) : undefined;
}

/** From `rtt min/avg/max/mdev = 0.051/0.072/0.096/0.018 ms`. */
export function pingRtt(stdout: string): number {
  const average = /^rtt min\/avg\/max\/mdev = [\d.]+\/([\d.]+)\//m.exec(stdout)?.[1];
  if (average === undefined) throw unreadable('ping', 'the round-trip time');
  return Number(average);
}

/**
 * Duplicate address detection (RFC 5227): asks for the address without having one. Exit code 0: nobody answered;
 * 1: `Unicast reply from 10.77.0.12 [52:54:00:77:00:02]  0.558ms`. Our own address does not answer us.
 */
async function conflictOf(
  env: PreflightEnv,
  nics: readonly HostNic[],
  nic: string,
  address: string,
): Promise<{ address: string; mac: string } | undefined> {
  const from = speaker(nics, nic);
  if (from === undefined) return undefined;
  try {
    const { exitCode, stdout } = await env.run(
      ['arping', '-D', '-c', '2', '-w', '2', '-I', from.device, address],
      { timeoutMs: 10_000, okExitCodes: [1] },
    );
    return exitCode === 0 ? undefined : { address, mac: answererOf(stdout) };
  } catch (error) {
    const notThere = error instanceof AppError && error.code === 'command.could-not-run';
    if (!notThere) throw error;
    env.log.warn('address conflict not looked for', { address, reason: errorChain(error) });
    return undefined;
  }
}

export function answererOf(stdout: string): string {
  const mac = /\[([0-9A-Fa-f:]{17})\]/.exec(stdout)?.[1];
  if (mac === undefined) throw unreadable('arping', 'who has the address');
  return mac.toLowerCase();
}
