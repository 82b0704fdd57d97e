import { readFile } from 'node:fs/promises';
import { type Run, type RunResult, run } from '../../node/command/run.ts';
import { eventually } from '../support/eventually.ts';
import { isFrozen, isPopulated, killCgroup, makeCgroup, removeCgroup, setFrozen } from './cgroup.ts';
import { consoleText } from './console.ts';
import { bootContainer, consoleOf, leaderOf } from './container.ts';
import { plugIn, setLinks, unplug } from './network.ts';
import type { HostPlan, LabPlan } from './plan.ts';
import { killRecorded } from './process.ts';

const cgroupOf = (plan: LabPlan, host: HostPlan): string => `${plan.prefix}/${host.machine}`;

export type HostState = 'off' | 'on' | 'frozen';

export async function stateOf(plan: LabPlan, host: HostPlan): Promise<HostState> {
  if (!(await isPopulated(cgroupOf(plan, host)))) return 'off';
  return (await isFrozen(cgroupOf(plan, host))) ? 'frozen' : 'on';
}

/** As pulling the plug: the links go first, so that no reset or goodbye reaches anyone, then all processes at once. */
export async function powerOff(plan: LabPlan, host: HostPlan): Promise<void> {
  await setLinks(plan, host, 'down').catch(() => {
    // it was off already
  });
  await killCgroup(cgroupOf(plan, host));
  // The kernel counts kills per group, and ends at birth what is cloned from a group with one count into a group with
  // another: the next start must find no group of this one (seen on Linux 6.18, half of the units were killed).
  await removeCgroup(cgroupOf(plan, host));
  await killRecorded(plan.runFolder, host.machine);
  // its sockets die with the namespace; kept, they would speak up when the link comes back
  await unplug(plan, host);
}

export async function powerOn(plan: LabPlan, host: HostPlan): Promise<void> {
  if ((await stateOf(plan, host)) !== 'off') return;
  await unplug(plan, host);
  await plugIn(plan, host);
  await bootContainer(plan, host);
}

export const freeze = (plan: LabPlan, host: HostPlan): Promise<void> => setFrozen(cgroupOf(plan, host), true);
export const thaw = (plan: LabPlan, host: HostPlan): Promise<void> => setFrozen(cgroupOf(plan, host), false);

export type ExecOptions = Parameters<Run>[1];

/** Runs a command inside the host, in all its namespaces and in its control group: it dies and freezes with the host. */
export async function execIn(
  plan: LabPlan,
  host: HostPlan,
  argv: readonly string[],
  options: ExecOptions = {},
): Promise<RunResult> {
  return run(await execArgv(plan, host, argv), options);
}

export async function execArgv(
  plan: LabPlan,
  host: HostPlan,
  argv: readonly string[],
): Promise<[string, ...string[]]> {
  const leader = await leaderOf(plan, host);
  if (leader === undefined) throw new Error(`${host.name} is off`);
  const groups = await makeCgroup(`${cgroupOf(plan, host)}/exec`);
  const script =
    'n=$1; shift; while [ "$n" -gt 0 ]; do echo $$ > "$1/cgroup.procs"; shift; n=$((n-1)); done; exec "$@"';
  const enter = [
    'nsenter',
    `--target=${leader}`,
    '--mount',
    '--uts',
    '--ipc',
    '--net',
    '--pid',
    '--root',
    '--wdns=/root',
  ];
  const clean = [
    'env',
    '-i',
    'PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
    'HOME=/root',
    'LC_ALL=C.UTF-8',
    'TERM=dumb',
  ];
  return ['sh', '-c', script, 'sh', `${groups.length}`, ...groups, ...enter, ...clean, ...argv];
}

/** Until systemd says that it has started all it wants; `degraded` counts, and is told. */
export async function waitBooted(
  plan: LabPlan,
  host: HostPlan,
  deadlineMs = 180_000,
): Promise<'running' | 'degraded'> {
  return eventually(
    `${host.name} to finish its start`,
    async () => {
      if ((await stateOf(plan, host)) === 'off')
        throw new Error(`${host.name} went off: see ${consoleOf(host)}`);
      const { stdout } = await execIn(plan, host, ['systemctl', 'is-system-running'], {
        okExitCodes: [1],
        timeoutMs: 20_000,
      });
      const state = stdout.trim();
      return state === 'running' || state === 'degraded' ? state : undefined;
    },
    { deadlineMs, everyMs: 250 },
  );
}

export async function readConsole(host: HostPlan): Promise<string> {
  return consoleText(await readFile(consoleOf(host), 'utf8').catch(() => ''));
}
