import type { Clock } from '../clock/clock.ts';
import { AppError } from '../contract/error.ts';
import type { Cli } from './cli.ts';
import type { VolumeView } from './health.ts';
import { lookAtMount, type MountLook, type MountsEnv, makeClientLinks } from './mounts.ts';
import { type OwnEnv, ownBricks, type SelfHealLink, selfHealLinks } from './own.ts';
import { type HealCount, readHeal, readProcesses, type VolumeInfo, type VolumeProcesses } from './parse.ts';
import { listVolumes } from './volumes.ts';

export type ObserveEnv = {
  cli: Cli;
  clock: Clock;
  mounts: MountsEnv;
  own: OwnEnv;
  mountPath(volume: string): string;
};

export type Observation = { view: VolumeView; size: { sizeMiB: number; freeMiB: number } };
export type Observe = {
  /**
   * `calm`: the last look found all well, so the dear questions need not be asked each time. `amiss` is told at once when
   * they must be, because what is cheap to see is not well any more.
   */
  look(info: VolumeInfo, calm: boolean, amiss: (sofar: Observation) => void): Promise<Observation>;
  /** the next look asks everything */
  forget(volume: string): void;
};

const calmMs = 120_000;
/** when a brick here knows of files that wait: they may be nothing but writes under way */
const waitingMs = 30_000;
const dead: MountLook = { state: 'stale', size: undefined };

/** What could not be seen is undefined, whatever the reason. */
async function quietly<T>(work: () => Promise<T>): Promise<T | undefined> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof AppError)) throw error;
    return undefined;
  }
}

/**
 * All that this host can see of a volume, the cheap things first: its own bricks, its own mount. What waits to be healed
 * is asked by a client of its own, which also proves which bricks are up, and costs half a second of CPU: now and then
 * while all is well, and at each look while it is not. glusterd, and with it the lock of the whole cluster, is asked
 * only when neither a mount nor that client could say anything.
 */
export function makeObserve(env: ObserveEnv): Observe {
  type Dear = { atMs: number; heal: HealCount[] | undefined; selfHeal: SelfHealLink[] | undefined };
  const last = new Map<string, Dear>();
  const clientLinks = makeClientLinks(env.mounts);

  const ask = async (info: VolumeInfo): Promise<Dear> => ({
    atMs: env.clock.now(),
    heal: await quietly(async () =>
      readHeal(await env.cli.ask(['volume', 'heal', info.name, 'info', 'summary'])),
    ),
    selfHeal: await quietly(() => selfHealLinks(env.own, info)),
  });

  const processesOf = (info: VolumeInfo): Promise<VolumeProcesses | undefined> =>
    quietly(async () => readProcesses(await env.cli.command(['volume', 'status', info.name])).get(info.name));

  const cheap = async (info: VolumeInfo) => {
    const path = env.mountPath(info.name);
    const own = await ownBricks(env.own, info);
    const { state, size } = (await quietly(() => lookAtMount(env.mounts, path))) ?? dead;
    const links =
      state === 'mounted' ? await quietly(() => clientLinks(info.name, path, info.bricks.length)) : undefined;
    return { own, mount: { state, links }, size: size ?? { sizeMiB: 0, freeMiB: 0 } };
  };
  const seen = (
    info: VolumeInfo,
    { own, mount, size }: Awaited<ReturnType<typeof cheap>>,
    dear: Dear | undefined,
    processes?: VolumeProcesses,
  ): Observation => ({
    view: { info, own, mount, heal: dear?.heal, selfHeal: dear?.selfHeal, processes },
    size,
  });

  return {
    look: async (info, calm, amiss) => {
      let now = await cheap(info);
      const { own, mount } = now;
      const wellSoFar =
        own.every(({ alive }) => alive) && (mount.links ?? []).every(({ connected }) => connected);
      const restMs = own.some(({ waiting }) => waiting > 0) ? waitingMs : calmMs;
      let dear = last.get(info.name);
      if (!info.started || info.setSize === 1) dear = undefined;
      else if (dear === undefined || !calm || !wellSoFar || env.clock.now() - dear.atMs >= restMs) {
        if (calm && !wellSoFar) amiss(seen(info, now, undefined));
        dear = await ask(info);
        last.set(info.name, dear);
        // it may have waited half a minute for a brick that is away
        now = await cheap(info);
      }
      const blind = info.started && now.mount.links === undefined && dear?.heal === undefined;
      return seen(info, now, dear, blind ? await processesOf(info) : undefined);
    },
    forget: (volume) => void last.delete(volume),
  };
}

const keptFolder = '/var/lib/glusterd/vols';

/** All volumes of the pool; the command is asked only when what glusterd keeps on disk of them has changed. */
export function makeVolumeList(env: Pick<ObserveEnv, 'cli' | 'own'>): () => Promise<VolumeInfo[]> {
  let last: { kept: string; volumes: VolumeInfo[] } | undefined;
  return async () => {
    const names = (await env.own.list(keptFolder)).sort();
    const texts = names.map(async (name) => (await env.own.readText(`${keptFolder}/${name}/info`)) ?? '');
    const kept = [...names, ...(await Promise.all(texts))].join('\n');
    if (kept === '' || last?.kept !== kept) last = { kept, volumes: await listVolumes(env) };
    return last.volumes;
  };
}
