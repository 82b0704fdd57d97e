/**
 * The lab: up to five real hosts on one machine. Containers with their own systemd, network stack, disk and clock
 * offset; two networks that nothing outside can reach. See README.md for what it can and cannot imitate.
 *
 * Ground rules: all state that must survive a command is in `.lab/<prefix>/`; whatever runs is in the control group
 * `trefoil-lab/<prefix>`; names of anything machine-wide begin with the prefix. A crash at any line leaves only what
 * `sweep` finds by these three.
 */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { RunResult } from '../../node/command/run.ts';
import { checkClaim, takeClaim } from './claim.ts';
import { collectLogs } from './collect.ts';
import { mountRoot, personalise, upperOf } from './container.ts';
import { attachDisk } from './disk.ts';
import { endForward, forward, freePort } from './forward.ts';
import * as host from './host.ts';
import { keepKvm } from './kvm.ts';
import { applyCuts, makeNetworks, setLinks } from './network.ts';
import { type Cut, type Direction, narrow, widen } from './nft.ts';
import { type HostPlan, type LabPlan, type Network, planLab } from './plan.ts';
import { type LabState, readState, writeState } from './state.ts';
import { removeFiles, sweep } from './sweep.ts';

export type StartOptions = {
  /** the host OS tree, as `image/host/build.ts` gives it */
  tree: string;
  diskGibibytes?: number;
  /** fills the folder that is laid over the tree, e.g. with the bundles */
  product?: (folder: string) => Promise<void>;
};

export type LabHost = {
  plan: HostPlan;
  state(): Promise<host.HostState>;
  exec(argv: readonly string[], options?: host.ExecOptions): Promise<RunResult>;
  /** writes a file inside */
  write(path: string, content: string | Uint8Array, mode?: number): Promise<void>;
  /** copies a file of this machine into the host */
  push(local: string, path: string, mode?: number): Promise<void>;
  console(): Promise<string>;
  powerOff(): Promise<void>;
  powerOn(): Promise<void>;
  waitBooted(deadlineMs?: number): Promise<'running' | 'degraded'>;
  netDown(network: Network, direction?: Direction): Promise<void>;
  netUp(network: Network, direction?: Direction): Promise<void>;
  /** the cable itself: the host sees its carrier go */
  cable(state: 'in' | 'out'): Promise<void>;
  freeze(): Promise<void>;
  thaw(): Promise<void>;
};

export type Lab = {
  plan: LabPlan;
  hosts: LabHost[];
  host(name: string): LabHost;
  /** removes leftovers, then boots the hosts; does not wait for them */
  start(options: StartOptions): Promise<void>;
  /** leaves nothing; `keep` leaves the disks and what the hosts wrote */
  stop(options?: { keep?: boolean }): Promise<void>;
  isRunning(): Promise<boolean>;
  /** a loopback port that leads to a port of a host or an address of the management network */
  forward(hostOrAddress: string, port: number, wanted?: number): Promise<number>;
  logs(folder: string): Promise<void>;
};

export async function openLab(
  options: { prefix?: string; hosts?: number; root?: string } = {},
): Promise<Lab> {
  const shape = planLab(options);
  const before = await readState(shape);
  const plan = planLab({ ...options, hosts: options.hosts ?? before?.hosts });
  const hosts = plan.hosts.map((one) => openHost(plan, one));
  const find = (name: string): LabHost => {
    const found = hosts.find((one) => one.plan.name === name);
    if (found === undefined)
      throw new Error(`there is no ${name}; the hosts are ${plan.hosts.map((one) => one.name).join(', ')}`);
    return found;
  };
  return {
    plan,
    hosts,
    host: find,
    start: (start) => startLab(plan, start),
    stop: async ({ keep = false } = {}) => {
      await keepKvm(plan, upperOf);
      await sweep(plan);
      if (!keep) await removeFiles(plan);
    },
    isRunning: async () => {
      const states = await Promise.all(hosts.map((one) => one.state()));
      return (await readState(plan)) !== undefined && states.every((state) => state !== 'off');
    },
    forward: (target, port, wanted) => openForward(plan, target, port, wanted),
    logs: (folder) => collectLogs(plan, folder),
  };
}

async function startLab(plan: LabPlan, options: StartOptions): Promise<void> {
  await checkClaim(plan);
  await sweep(plan);
  await takeClaim(plan);
  const loops: Record<string, string> = {};
  const state: LabState = { hosts: plan.hosts.length, tree: options.tree, loops, cuts: [], forwards: [] };
  await writeState(plan, state);
  await options.product?.(plan.productFolder);
  await makeNetworks(plan);
  for (const one of plan.hosts) {
    await mountRoot(plan, one, options.tree, async () => {
      const loop = await attachDisk(join(one.folder, 'data.img'), options.diskGibibytes ?? 20);
      loops[one.name] = loop;
      await personalise(one, loop);
    });
  }
  await writeState(plan, state);
  await Promise.all(plan.hosts.map((one) => host.powerOn(plan, one)));
}

async function changeState(plan: LabPlan, change: (state: LabState) => LabState): Promise<LabState> {
  const state = await readState(plan);
  if (state === undefined) throw new Error(`the lab "${plan.prefix}" is not started`);
  const next = change(state);
  await writeState(plan, next);
  return next;
}

async function changeCut(
  plan: LabPlan,
  target: HostPlan,
  network: Network,
  change: (old: Direction | undefined) => Direction | undefined,
): Promise<void> {
  const port = target.port[network];
  const next = await changeState(plan, (state) => {
    const others = state.cuts.filter((cut) => cut.port !== port);
    const direction = change(state.cuts.find((cut) => cut.port === port)?.direction);
    const cut: Cut[] = direction === undefined ? [] : [{ host: target.name, network, port, direction }];
    return { ...state, cuts: [...others, ...cut] };
  });
  await applyCuts(plan, next.cuts);
}

async function openForward(plan: LabPlan, target: string, port: number, wanted?: number): Promise<number> {
  const address = plan.hosts.find((one) => one.name === target)?.address ?? target;
  const state = await readState(plan);
  const old = state?.forwards.find((one) => one.address === address && one.port === port);
  if (old !== undefined) await endForward(plan, old.local);
  const local = await freePort(old?.local ?? wanted);
  await forward(plan, address, port, local);
  await changeState(plan, (now) => ({
    ...now,
    forwards: [...now.forwards.filter((one) => one.local !== old?.local), { address, port, local }],
  }));
  return local;
}

function openHost(plan: LabPlan, one: HostPlan): LabHost {
  const exec = (argv: readonly string[], options?: host.ExecOptions) => host.execIn(plan, one, argv, options);
  const write = async (path: string, content: string | Uint8Array, mode = 0o644) => {
    const script =
      'mkdir -p "$(dirname "$1")" && cat > "$1.part" && chmod "$2" "$1.part" && mv "$1.part" "$1"';
    await exec(['sh', '-c', script, 'sh', path, mode.toString(8)], { input: content });
  };
  return {
    plan: one,
    state: () => host.stateOf(plan, one),
    exec,
    write,
    push: async (local, path, mode) => write(path, await readFile(local), mode),
    console: () => host.readConsole(one),
    powerOff: () => host.powerOff(plan, one),
    powerOn: async () => {
      await host.powerOn(plan, one);
      await applyCuts(plan, (await readState(plan))?.cuts ?? []);
    },
    waitBooted: (deadlineMs) => host.waitBooted(plan, one, deadlineMs),
    netDown: (network, direction = 'both') => changeCut(plan, one, network, (old) => widen(old, direction)),
    netUp: (network, direction = 'both') => changeCut(plan, one, network, (old) => narrow(old, direction)),
    cable: (state) => setLinks(plan, one, state === 'in' ? 'up' : 'down'),
    freeze: () => host.freeze(plan, one),
    thaw: () => host.thaw(plan, one),
  };
}
