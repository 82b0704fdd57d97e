import { AppError } from '../contract/error.ts';
import type { VolumeStatus } from '../contract/storage.ts';
import type { Log } from '../log/log.ts';
import { judge, type VolumeView } from './health.ts';
import { makeObserve, makeVolumeList, type Observation, type ObserveEnv } from './observe.ts';
import { endSelfHeal } from './own.ts';
import type { VolumeInfo } from './parse.ts';
import { decideRepair, freshRepair, type RepairAction, type RepairState } from './repair.ts';
import { rebuildGraphs, requireVolume, startForce } from './volumes.ts';

export type WatchEnv = ObserveEnv & {
  log: Log;
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

/** Keeps an eye on the volumes of the pool from this host. One `tick` at a time; its results are what the API answers. */
export function makeWatch(env: WatchEnv): Watch {
  const statuses = new Map<string, VolumeStatus>();
  const repairs = new Map<string, RepairState>();
  const observe = makeObserve(env);
  const volumesNow = makeVolumeList(env);

  const isCalm = (name: string): boolean => {
    const { since = {}, done = {} } = repairs.get(name) ?? {};
    const quiet = Object.keys(since).length === 0 && Object.keys(done).length === 0;
    return quiet && statuses.get(name)?.state === 'healthy';
  };

  const tell = (status: VolumeStatus) => {
    const before = statuses.get(status.name);
    statuses.set(status.name, status);
    if (before !== undefined && before.state !== status.state) {
      env.log.info(`volume ${before.state} -> ${status.state} (${status.summary})`, { volume: status.name });
      env.notice(
        status.state === 'healthy' || status.state === 'healing' ? 'info' : 'warning',
        `volume.${status.state}`,
        `The volume ${status.name} is ${status.state}. ${status.summary}`,
      );
    }
    env.seen(status);
  };

  const examine = async (info: VolumeInfo): Promise<VolumeStatus> => {
    const observation = await observe.look(info, isCalm(info.name), (sofar) => {
      const first = judge(sofar.view);
      if (first.state === 'degraded' || first.state === 'offline') tell(statusOf(sofar, first, env.now()));
    });
    const { view } = observation;
    const health = judge(view);
    const status = statusOf(observation, health, env.now());
    tell(status);
    const nowMs = env.clock.now();
    const { state, action } = decideRepair(repairs.get(info.name) ?? freshRepair, { view, health, nowMs });
    repairs.set(info.name, state);
    if (action !== undefined)
      await repair(view, action).catch((error) => {
        if (!(error instanceof AppError)) throw error;
        env.log.error('a volume could not be mended', error, { volume: info.name, action: action.kind });
        env.notice('error', 'volume.not-mended', `${info.name} could not be mended. ${error.message}`);
      });
    return status;
  };

  const repair = async ({ info }: VolumeView, action: RepairAction): Promise<void> => {
    const { name } = info;
    env.log.warn(`volume is mended: ${action.kind}`, { volume: name, ...action });
    switch (action.kind) {
      case 'start-bricks':
        await startForce(env, name);
        env.notice(
          'warning',
          'volume.brick-started',
          `This host's copy of ${name} was not being served; its process was started again.`,
        );
        return;
      case 'rebuild-graphs':
        await rebuildGraphs(env, info);
        env.notice(
          'warning',
          'volume.mount-reconnected',
          `This host's mount of ${name} stayed away from the copy on ${action.bricks.join(' and ')}; all mounts were made to connect anew.`,
        );
        return;
      case 'restart-self-heal':
        await endSelfHeal(env.own, name);
        // it is one process for all of them, and each is brought back by its own start
        for (const one of await volumesNow())
          if (one.started && one.setSize > 1) await startForce(env, one.name);
        env.notice('warning', 'volume.self-heal-restarted', selfHealSentence(name, action));
    }
  };

  return {
    tick: async () => {
      const volumes = await volumesNow();
      for (const name of statuses.keys())
        if (!volumes.some((volume) => volume.name === name)) statuses.delete(name);
      for (const info of volumes) await examine(info);
    },
    look: async (name) => {
      const info = await requireVolume(env, name);
      observe.forget(name);
      return examine(info);
    },
    latest: () => [...statuses.values()],
    forget: (name) => {
      statuses.delete(name);
      repairs.delete(name);
      observe.forget(name);
    },
  };
}

function selfHealSentence(
  name: string,
  { why, pending }: Extract<RepairAction, { kind: 'restart-self-heal' }>,
): string {
  const files = pending === 1 ? 'one file waits' : `${pending} files wait`;
  return `The self-heal service of this host ${why} (${name}: ${files} to be copied); it is started anew.`;
}

function statusOf({ view, size }: Observation, health: ReturnType<typeof judge>, now: Date): VolumeStatus {
  return {
    name: view.info.name,
    state: health.state,
    summary: health.summary,
    layout: view.info.layout,
    mounted: view.mount.state === 'mounted',
    bricks: health.bricks.map(({ address, path, online, connectedHere, healPending }) => ({
      address,
      path,
      online: online ?? false,
      ...(connectedHere === undefined ? {} : { connectedHere }),
      ...(healPending === undefined ? {} : { healPending }),
    })),
    ...size,
    ...(health.healPending === undefined ? {} : { healPending: health.healPending }),
    ...(health.splitBrain === undefined ? {} : { splitBrain: health.splitBrain }),
    checkedAt: now.toISOString(),
  };
}
