import { type Run, unreadable } from '../command/run.ts';
import type { TimePut, TimeStatus } from '../contract/units.ts';
import type { Units } from './units.ts';

/** Time by chrony: its configuration from what is wanted (pure), its state from `chronyc -c` (pure parsers). */
/** In /run: written again at each start of the agent, from what it was last told. */
export const chronyConfigPath = '/run/trefoil/chrony.d/trefoil.conf';
const chronyUnit = 'chrony.service';

/**
 * The hosts are each other's peers besides the admin's servers: without any server they still stay together (`local`
 * with `orphan`: the one with the smallest id leads), which is what certificates, logs and leases need.
 */
export function chronyConfig(wanted: TimePut): string {
  return [
    '# Written by trefoil-node; changes are overwritten.',
    ...[...new Set(wanted.servers)].sort().map((server) => `server ${server} iburst`),
    ...[...new Set(wanted.peers)].sort().flatMap((peer) => [`peer ${peer} xleave`, `allow ${peer}`]),
    'local stratum 10 orphan distance 0.5',
    // large steps only at the start: later ones would break leases and certificates under running VMs
    'makestep 1.0 3',
    '',
  ].join('\n');
}

/**
 * `chronyc -c tracking`, one line:
 *   0A4D000C,10.77.0.12,11,1763803622.123456789,0.000012345,-0.000001,0.0001,1.5,0.0,0.2,0.001,0.002,64.2,Normal
 * Field 5 is the correction still to be made: positive while the clock is behind.
 */
export function parseTracking(output: string): { synchronized: boolean; offsetMs: number | undefined } {
  const fields = output.trim().split('\n')[0]?.split(',') ?? [];
  const correction = Number(fields[4]);
  const leap = fields[13];
  if (fields.length < 14 || leap === undefined || !Number.isFinite(correction))
    throw unreadable('chronyc', 'its tracking report');
  const synchronized = leap !== 'Not synchronised';
  return { synchronized, offsetMs: synchronized ? -correction * 1000 : undefined };
}

/** `chronyc -c sources`: mode, state, name, ... Only those that chrony uses or could use. */
export function parseSources(output: string): string[] {
  return output
    .split('\n')
    .map((line) => line.split(','))
    .filter((fields) => fields.length >= 10 && ['*', '+'].includes(fields[1] ?? ''))
    .map((fields) => fields[2] ?? '');
}

export type TimeEnv = {
  run: Run;
  units: Pick<Units, 'restart' | 'enable'>;
  readFile(path: string): Promise<string | undefined>;
  writeFile(path: string, content: string): Promise<void>;
};

export async function timeStatus(env: Pick<TimeEnv, 'run'>): Promise<TimeStatus> {
  const ask = (what: string) => env.run(['chronyc', '-n', '-c', what], { timeoutMs: 10_000 });
  const tracking = parseTracking((await ask('tracking')).stdout);
  const sources = parseSources((await ask('sources')).stdout);
  return {
    synchronized: tracking.synchronized,
    ...(tracking.offsetMs === undefined ? {} : { offsetMs: tracking.offsetMs }),
    sources,
  };
}

/** Idempotent: chrony is restarted only when its configuration changes. */
export async function ensureTime(env: TimeEnv, wanted: TimePut): Promise<void> {
  const text = chronyConfig(wanted);
  if ((await env.readFile(chronyConfigPath)) === text) return;
  await env.writeFile(chronyConfigPath, text);
  await env.units.enable([chronyUnit]);
  await env.units.restart(chronyUnit);
}
