import { AppError } from '../contract/error.ts';
import { mountUnitOf } from './names.ts';
import type { Units } from './units.ts';

/**
 * Mounts that outlive the agent and come back at boot: systemd makes them. Their files are in /etc/systemd/system, so
 * that at boot they are there before the agent is; the agent writes them again from its own records when they are not.
 */
export type MountSpec = {
  description: string;
  what: string;
  where: string;
  type: string;
  options: readonly string[];
  after?: readonly string[];
  before?: readonly string[];
  wants?: readonly string[];
  wantedBy: string;
  timeoutSeconds: number;
};

export const mountUnitPath = (where: string): string => `/etc/systemd/system/${mountUnitOf(where)}`;

/** A percent sign begins a specifier in unit files. */
const literal = (text: string) => text.replaceAll('%', '%%');

export function mountUnitText(spec: MountSpec): string {
  const list = (key: string, names: readonly string[] | undefined) =>
    names === undefined || names.length === 0 ? [] : [`${key}=${names.map(literal).join(' ')}`];
  return [
    '# Written by trefoil-node; changes are overwritten.',
    '[Unit]',
    `Description=${literal(spec.description)}`,
    ...list('After', spec.after),
    ...list('Before', spec.before),
    ...list('Wants', spec.wants),
    '',
    '[Mount]',
    `What=${literal(spec.what)}`,
    `Where=${literal(spec.where)}`,
    `Type=${spec.type}`,
    `Options=${literal(spec.options.join(','))}`,
    // a FUSE process that died leaves a mount that only this removes
    'LazyUnmount=yes',
    `TimeoutSec=${spec.timeoutSeconds}`,
    '',
    '[Install]',
    `WantedBy=${spec.wantedBy}`,
    '',
  ].join('\n');
}

export type MountEnv = {
  units: Pick<Units, 'start' | 'stop' | 'enable' | 'disable' | 'daemonReload' | 'status' | 'resetFailed'>;
  files: {
    read(path: string): Promise<string | undefined>;
    write(path: string, content: string): Promise<void>;
    remove(path: string): Promise<void>;
    makeFolder(path: string): Promise<void>;
  };
};

/** The unit's file as it should be, known to systemd and enabled; says whether it had to be written. */
export async function ensureMountUnit(env: MountEnv, spec: MountSpec): Promise<{ changed: boolean }> {
  const path = mountUnitPath(spec.where);
  const text = mountUnitText(spec);
  const unit = mountUnitOf(spec.where);
  const changed = (await env.files.read(path)) !== text;
  if (changed) {
    await env.files.write(path, text);
    await env.units.daemonReload();
  }
  if (changed || (await env.units.status(unit)).fileState !== 'enabled') await env.units.enable([unit]);
  return { changed };
}

/** Mounted, by systemd. A unit that failed before is forgiven. */
export async function startMount(env: MountEnv, where: string, timeoutMs: number): Promise<void> {
  const unit = mountUnitOf(where);
  await env.files.makeFolder(where);
  const before = await env.units.status(unit);
  if (before.activeState === 'failed') await env.units.resetFailed(unit);
  await env.units.start(unit, { timeoutMs });
}

/** Unmounted, and not mounted again at boot. */
export async function removeMount(env: MountEnv, where: string): Promise<void> {
  const unit = mountUnitOf(where);
  const path = mountUnitPath(where);
  const status = await env.units.status(unit);
  if (status.activeState === 'active' || status.activeState === 'activating') {
    await env.units.stop(unit);
    if ((await env.units.status(unit)).activeState === 'active')
      throw new AppError({
        code: 'mount.busy',
        family: 'conflict',
        message: `${where} is in use and could not be unmounted.`,
        remedy: 'Stop what uses it, then try again.',
        retry: 'later',
      });
  }
  if ((await env.files.read(path)) === undefined) return;
  await env.units.disable([unit]);
  await env.files.remove(path);
  await env.units.daemonReload();
}
