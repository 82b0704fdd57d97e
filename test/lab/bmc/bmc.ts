import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { run } from '../../../node/command/run.ts';
import { eventsPathOf, makeCgroup } from '../cgroup.ts';
import { netnsExists } from '../network.ts';
import { type HostPlan, type LabPlan, repoRoot } from '../plan.ts';
import { isAlive, killRecorded, readRecord, startRecorded } from '../process.ts';
import { type BmcMode, type BmcPlan, bmcModes, simArgv, writeBmc } from './sim.ts';

/**
 * A BMC for each lab host, on the management network: it is reached from the hosts, and from nowhere outside the lab. It
 * lives in the lab's control group, so whatever ends the lab ends it; its files are in the lab's folder.
 */
const recordOf = (host: HostPlan): string => `bmc-${host.name}`;

export function bmcOf(plan: LabPlan, host: HostPlan, populatedFile: string): BmcPlan {
  // Not in this network namespace: what starts a host must be where the lab itself is. See the start for fd 9.
  const power = (state: 'on' | 'off') =>
    [
      'nsenter --net=/proc/self/fd/9',
      `'${process.execPath}' '${join(repoRoot, 'test/lab/main.ts')}'`,
      `--prefix ${plan.prefix} power ${state} ${host.name}`,
    ].join(' ');
  return {
    folder: join(plan.folder, 'bmc', host.name),
    name: host.name,
    address: bmcAddress(host),
    port: 623,
    username: 'admin',
    password: `bmc of ${host.name}`.replaceAll(' ', '-'),
    power: {
      get: `grep -qs 'populated 1' '${populatedFile}'`,
      on: power('on'),
      off: power('off'),
    },
  };
}

export const bmcAddress = (host: Pick<HostPlan, 'number'>): string => `10.77.0.2${host.number}1`;

async function planOf(plan: LabPlan, host: HostPlan): Promise<BmcPlan> {
  return bmcOf(plan, host, await eventsPathOf(`${plan.prefix}/${host.machine}`));
}

export async function startBmcs(plan: LabPlan): Promise<void> {
  for (const host of plan.hosts) await setBmc(plan, host, 'ok');
}

export async function stopBmcs(plan: LabPlan): Promise<void> {
  for (const host of plan.hosts) await killRecorded(plan.runFolder, recordOf(host));
}

/** Starts the BMC when it does not run. A dead one is there and silent: as a crashed BMC, its address answers nothing. */
export async function setBmc(plan: LabPlan, host: HostPlan, mode: BmcMode, seconds = 3): Promise<void> {
  if (!netnsExists(plan.netns)) throw new Error(`the lab "${plan.prefix}" is not started`);
  const bmc = await planOf(plan, host);
  await killRecorded(plan.runFolder, recordOf(host));
  await run(['ip', '-n', plan.netns, 'address', 'replace', `${bmc.address}/32`, 'dev', 'mgmt']);
  await writeBmc(bmc, mode, seconds);
  const record = await startRecorded(
    plan.runFolder,
    recordOf(host),
    // the network alone: what `ip netns exec` does to /sys would hide the control groups from the chassis script
    [
      'sh',
      '-c',
      'exec 9</proc/self/ns/net; exec nsenter "$@"',
      'sh',
      `--net=/run/netns/${plan.netns}`,
      ...simArgv(bmc),
    ],
    {
      cgroups: await makeCgroup(`${plan.prefix}/services`),
      output: join(plan.folder, 'bmc.log'),
      cwd: bmc.folder,
    },
  );
  if (mode === 'dead') process.kill(record.pid, 'SIGSTOP');
}

export async function bmcState(plan: LabPlan, host: HostPlan): Promise<string> {
  const record = await readRecord(plan.runFolder, recordOf(host));
  if (record === undefined || !(await isAlive(record))) return 'not started';
  return (await readFile(join((await planOf(plan, host)).folder, 'mode'), 'utf8')).trim();
}

/** `bmc start|stop|ls` and `bmc HOST MODE [SECONDS]`. */
export async function bmcVerb(
  plan: LabPlan,
  words: readonly string[],
  say: (text: string) => void,
): Promise<void> {
  const [what = 'ls', mode, seconds] = words;
  if (what === 'start') return startBmcs(plan);
  if (what === 'stop') return stopBmcs(plan);
  if (what === 'ls') {
    for (const host of plan.hosts) {
      const { address, username, password } = await planOf(plan, host);
      say(`${host.name}  ${address}  ${username}  ${password}  ${await bmcState(plan, host)}`);
    }
    return;
  }
  const host = plan.hosts.find(({ name }) => name === what);
  const wanted = bmcModes.find((one) => one === mode);
  if (host === undefined || wanted === undefined)
    throw new Error(`bmc start|stop|ls, or bmc HOST ${bmcModes.join('|')}`);
  await setBmc(plan, host, wanted, seconds === undefined ? undefined : Number(seconds));
}
