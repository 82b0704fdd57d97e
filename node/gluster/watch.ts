import type { Clock } from '../clock/clock.ts';
import type { Run } from '../command/run.ts';
import { AppError } from '../contract/error.ts';
import type { VolumeStatus } from '../contract/storage.ts';
import type { Log } from '../log/log.ts';
import type { Cli } from './cli.ts';
import { judge, type VolumeView } from './health.ts';
import { clientLinks, type MountsEnv, mountSize, mountState } from './mounts.ts';
import { type HealCount, readHeal, readProcesses, type VolumeInfo, type VolumeProcesses } from './parse.ts';
import { decideRepair, freshRepair, type RepairAction, type RepairState } from './repair.ts';
import { findVolume, listVolumes, rebuildGraphs, startForce } from './volumes.ts';

export type WatchEnv = {
  cli: Cli;
  clock: Clock;
  run: Run;
  log: Log;
  mounts: MountsEnv;
  mountPath(volume: string): string;
  now(): Date;
  /** a change of a volume's state, or a fresh look at it */
  seen(status: VolumeStatus): void;
  notice(severity: 'info' | 'warning' | 'error', code: string, message: string): void;
};

export type Watch = {
  /** looks at all volumes now, tells what it saw, repairs what it knows how to */
  tick(): Promise<void>;
  /** looks at one volume now; refuses when there is none of that name */
  look(name: string): Promise<VolumeStatus>;
  /** what was seen last */
  latest(): VolumeStatus[];
  forget(name: string): void;
};

const calmHealMs = 60_000;

/** Keeps an eye on the volumes of the pool from this host. One `tick` at a time; its results are what the API answers. */
export function makeWatch(env: WatchEnv): Watch {
  const statuses = new Map<string, VolumeStatus>();
  const repairs = new Map<string, RepairState>();
  const heals = new Map<string, { atMs: number; heal: HealCount[] }>();

  const quietly = async <T>(work: () => Promise<T>): Promise<T | undefined> => {
    try {
      return await work();
    } catch (error) {
      if (!(error instanceof AppError)) throw error;
      return undefined;
    }
  };

  /** One command for all volumes: each costs the cluster its lock. */
  const allProcesses = () =>
    quietly(async () => readProcesses(await env.cli.command(['volume', 'status', 'all'])));

  /** The dearest question, so it is asked now and then while all is well, and at each look while it is not. */
  const healOf = async (info: VolumeInfo): Promise<HealCount[] | undefined> => {
    if (!info.started || info.setSize === 1) return undefined;
    const last = heals.get(info.name);
    const isCalm = statuses.get(info.name)?.state === 'healthy';
    if (last !== undefined && isCalm && env.clock.now() - last.atMs < calmHealMs) return last.heal;
    const heal = await quietly(async () =>
      readHeal(await env.cli.ask(['volume', 'heal', info.name, 'info', 'summary'])),
    );
    if (heal === undefined) heals.delete(info.name);
    else heals.set(info.name, { atMs: env.clock.now(), heal });
    return heal;
  };

  const observe = async (
    info: VolumeInfo,
    processes: VolumeProcesses | undefined,
  ): Promise<{ view: VolumeView; size: { sizeMiB: number; freeMiB: number } }> => {
    const path = env.mountPath(info.name);
    const heal = await healOf(info);
    const state = (await quietly(() => mountState(env.mounts, path))) ?? 'stale';
    const links =
      state === 'mounted' ? await quietly(() => clientLinks(env.mounts, info.name, path)) : undefined;
    const size = state === 'mounted' ? await quietly(() => mountSize(env.mounts, path)) : undefined;
    return {
      view: { info, processes, heal, mount: { state, links } },
      size: size ?? { sizeMiB: 0, freeMiB: 0 },
    };
  };

  const examine = async (info: VolumeInfo, processes: VolumeProcesses | undefined): Promise<VolumeStatus> => {
    const { view, size } = await observe(info, processes);
    const health = judge(view);
    const before = statuses.get(info.name);
    const status = statusOf(view, health, size, env.now());
    statuses.set(info.name, status);
    if (before !== undefined && before.state !== status.state) {
      env.log.info(`volume ${before.state} -> ${status.state} (${status.summary})`, { volume: info.name });
      env.notice(
        status.state === 'healthy' || status.state === 'healing' ? 'info' : 'warning',
        `volume.${status.state}`,
        `The volume ${info.name} is ${status.state}. ${status.summary}`,
      );
    }
    env.seen(status);
    const { state, action } = decideRepair(repairs.get(info.name) ?? freshRepair, {
      view,
      health,
      nowMs: env.clock.now(),
    });
    repairs.set(info.name, state);
    if (action !== undefined) await repair(view, action);
    return status;
  };

  const repair = async (view: VolumeView, action: RepairAction): Promise<void> => {
    const { name } = view.info;
    switch (action.kind) {
      case 'rebuild-graphs':
        await rebuildGraphs(env, view.info);
        env.notice(
          'warning',
          'volume.mount-reconnected',
          `The mount of ${name} had lost the copy on ${action.bricks.join(' and ')}; it was connected anew.`,
        );
        return;
      case 'restart-self-heal': {
        const own = view.processes?.selfHeal.find(({ address }) => address === 'localhost');
        if (own?.pid !== undefined)
          await env.run(['kill', String(own.pid)], { timeoutMs: 5_000, okExitCodes: [1] });
        await startForce(env, name);
        env.notice(
          'warning',
          'volume.self-heal-restarted',
          `${action.pending} files of ${name} were not being healed; the self-heal service was started anew.`,
        );
      }
    }
  };

  return {
    tick: async () => {
      const volumes = await listVolumes(env);
      for (const name of statuses.keys())
        if (!volumes.some((volume) => volume.name === name)) statuses.delete(name);
      const processes = volumes.some(({ started }) => started) ? await allProcesses() : undefined;
      for (const info of volumes) await examine(info, processes?.get(info.name));
    },
    look: async (name) => {
      const info = await findVolume(env, name);
      if (info === undefined)
        throw new AppError({
          code: 'volume.missing',
          family: 'missing',
          message: `There is no volume ${name}.`,
        });
      // a fresh look: what waits to be healed is asked again too
      heals.delete(name);
      const processes = info.started ? await allProcesses() : undefined;
      return examine(info, processes?.get(name));
    },
    latest: () => [...statuses.values()],
    forget: (name) => {
      statuses.delete(name);
      repairs.delete(name);
      heals.delete(name);
    },
  };
}

function statusOf(
  view: VolumeView,
  health: ReturnType<typeof judge>,
  size: { sizeMiB: number; freeMiB: number },
  now: Date,
): VolumeStatus {
  return {
    name: view.info.name,
    state: health.state,
    summary: health.summary,
    layout: view.info.layout,
    mounted: view.mount.state === 'mounted',
    bricks: health.bricks.map(({ address, path, online, connectedHere, healPending }) => ({
      address,
      path,
      online,
      ...(connectedHere === undefined ? {} : { connectedHere }),
      ...(healPending === undefined ? {} : { healPending }),
    })),
    ...size,
    ...(health.healPending === undefined ? {} : { healPending: health.healPending }),
    ...(health.splitBrain === undefined ? {} : { splitBrain: health.splitBrain }),
    checkedAt: now.toISOString(),
  };
}
