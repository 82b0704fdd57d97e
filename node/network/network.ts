import { AppError, errorChain } from '../contract/error.ts';
import type { HostNetwork, HostNic, NetworkPut, NetworkStatus } from '../contract/network.ts';
import { bridgeNameOf } from '../contract/network.ts';
import type { Log } from '../log/log.ts';
import { refuseUnfit } from './check.ts';
import {
  confirm,
  elapse,
  emptyState,
  inForce,
  type NetworkState,
  networkStateSchema,
  put,
  revert,
  statusOf,
} from './decide.ts';
import { deviceOf, isOurs, networkFiles } from './files.ts';

export type NetworkEnv = {
  /** network.json: survives restarts */
  readState(): Promise<string | undefined>;
  writeState(text: string | undefined): Promise<void>;
  /** /run/systemd/network: gone after a boot */
  listFiles(): Promise<Record<string, string>>;
  writeFile(name: string, content: string): Promise<void>;
  removeFile(name: string): Promise<void>;
  /** makes networkd read its files again and bring the cards in line */
  reload(): Promise<void>;
  deleteDevice(name: string): Promise<void>;
  nics(): Promise<HostNic[]>;
  /** addresses with prefix length of a device; undefined when it is not there */
  addressesOf(device: string): Promise<string[] | undefined>;
  bootId(): Promise<string>;
  monotonicMs(): number;
  sleep(ms: number): Promise<void>;
  notice(severity: 'info' | 'warning', code: string, message: string): void;
  log: Log;
};

/**
 * The host's networks. Rule: no change can cut the admin off. A change is written down, applied, and taken back by itself
 * unless it is confirmed in time, also when the agent or the host restarts meanwhile.
 */
export type Network = {
  /** at the agent's start: what is in force is applied again (after a boot its files are gone) */
  start(): Promise<void>;
  /** looks whether a trial is over; to be called every second */
  tick(): Promise<void>;
  status(): Promise<NetworkStatus>;
  put(wanted: NetworkPut): Promise<NetworkStatus>;
  confirm(generation: number): Promise<NetworkStatus>;
  /** back to what a host is that was told nothing */
  reset(): Promise<void>;
  /** the bridge that VMs of a network attach to here */
  bridgeOf(network: string): string;
};

const settleMs = 10_000;
const settleEveryMs = 200;

export function makeNetwork(env: NetworkEnv): Network {
  let state: NetworkState = emptyState;
  /** an apply that failed half-way: done again by every tick until it succeeds */
  let unfinished = false;
  let last: Promise<unknown> = Promise.resolve();
  const inTurn = <T>(act: () => Promise<T>): Promise<T> => {
    const mine = last.then(act);
    last = mine.catch(() => {});
    return mine;
  };
  const now = async () => ({ bootId: await env.bootId(), ms: env.monotonicMs() });
  const save = (next: NetworkState) =>
    env.writeState(next === emptyState ? undefined : JSON.stringify(next, null, 2));
  const status = async () => ({ ...statusOf(state), nics: await env.nics() });

  /** Brings networkd in line with what is in force; does nothing when it is already. */
  const apply = async () => {
    const networks = inForce(state);
    const nics = await env.nics();
    const macs = Object.fromEntries(nics.map(({ name, mac }) => [name, mac]));
    const { files } = networkFiles(networks, macs);
    const before = await env.listFiles();
    const stale = Object.keys(before).filter((name) => isOurs(name) && files[name] === undefined);
    const changed = Object.entries(files).filter(([name, content]) => before[name] !== content);
    if (stale.length === 0 && changed.length === 0 && !unfinished) return;
    unfinished = true;
    for (const [name, content] of changed) await env.writeFile(name, content);
    for (const name of stale) await env.removeFile(name);
    await env.reload();
    for (const name of stale) {
      const device = /^50-trefoil-(.*)\.netdev$/.exec(name)?.[1];
      if (device !== undefined) await env.deleteDevice(device);
    }
    unfinished = false;
    const missing = await settle(networks);
    env.log.info('networks applied', { files: changed.map(([name]) => name), removed: stale, missing });
  };

  /** Waits until each network's device has its address; what is still missing then is for the caller to judge. */
  const settle = async (networks: readonly HostNetwork[]): Promise<string[]> => {
    const end = env.monotonicMs() + settleMs;
    for (;;) {
      const missing: string[] = [];
      for (const network of networks) if (!(await isThere(network))) missing.push(network.name);
      if (missing.length === 0 || env.monotonicMs() >= end) return missing;
      await env.sleep(settleEveryMs);
    }
  };
  const isThere = async (network: HostNetwork): Promise<boolean> => {
    const addresses = await env.addressesOf(deviceOf(network));
    if (addresses === undefined) return false;
    const { addressing } = network;
    if (addressing.kind === 'static') return addresses.includes(addressing.address);
    return addresses.some((address) => !address.includes(':'));
  };

  const elapsed = async () => {
    if (unfinished) await apply();
    const next = elapse(state, await now());
    if (next === state) return;
    const generation = state.trying?.generation;
    await save(next);
    state = next;
    env.log.warn('networks waiting-for-confirmation -> reverted', { generation });
    env.notice(
      'warning',
      'network.reverted',
      'A change of the networks was not confirmed in time, so this host has taken it back.',
    );
    await apply();
  };

  return {
    start: () =>
      inTurn(async () => {
        const text = await env.readState();
        if (text !== undefined) state = readState(text);
        await elapsed();
        await apply();
      }),

    tick: () => (state.trying === undefined && !unfinished ? Promise.resolve() : inTurn(elapsed)),

    status,

    put: (wanted) =>
      inTurn(async () => {
        await elapsed();
        const names = (await env.nics()).map(({ name }) => name);
        refuseUnfit(wanted.networks, names);
        const next = put(state, wanted, await now());
        if (next === state) return status();
        await save(next);
        state = next;
        env.log.info('networks -> waiting-for-confirmation', {
          generation: wanted.generation,
          withinMs: wanted.confirmWithinMs,
        });
        try {
          await apply();
        } catch (error) {
          env.log.error('networks not applied', error);
          state = revert(state);
          await save(state);
          await apply().catch((again) => env.log.error('networks not taken back yet', again));
          throw notApplied(error);
        }
        return status();
      }),

    confirm: (generation) =>
      inTurn(async () => {
        await elapsed();
        const next = confirm(state, generation);
        if (next === state) return status();
        await save(next);
        state = next;
        env.log.info('networks waiting-for-confirmation -> confirmed', { generation });
        return status();
      }),

    reset: () =>
      inTurn(async () => {
        await save(emptyState);
        state = emptyState;
        await apply();
      }),

    bridgeOf: (network) => {
      const found = inForce(state).find(({ name }) => name === network);
      if (found === undefined || !found.bridge) throw noBridge(network);
      return bridgeNameOf(found.name);
    },
  };
}

function readState(text: string): NetworkState {
  try {
    return networkStateSchema.parse(JSON.parse(text));
  } catch (error) {
    throw new AppError({
      code: 'network.damaged',
      family: 'bug',
      message:
        "The host's network settings cannot be read; it asks for addresses by DHCP until they are given again.",
      cause: error,
    });
  }
}

const notApplied = (cause: unknown): AppError =>
  new AppError({
    code: 'network.not-applied',
    family: 'unavailable',
    message: 'The networks could not be changed; the host goes back to what it had.',
    details: { why: errorChain(cause) },
    cause,
  });

const noBridge = (network: string): AppError =>
  new AppError({
    code: 'network.no-bridge',
    family: 'conflict',
    message: `This host has no network ${network} that VMs can attach to.`,
    retry: 'other-host',
    details: { network },
  });
