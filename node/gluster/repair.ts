import type { Health, VolumeView } from './health.ts';

/**
 * What is mended without a person (see README): pure decisions over what was seen in turn; watch.ts feeds and applies
 * them.
 *
 *   a brick of this host has no process, for `deadForMs`          -> start it
 *   the mount lost a brick that is up, for `lostForMs`            -> rebuild the graphs of all clients
 *   all up and connected, but this host's self-heal daemon lost a
 *   brick or is not there for `lostForMs`, or what waits does not
 *   get less                                                      -> restart that daemon
 *
 * A repair that did not help is done again after a pause, each time twice as long.
 */
export type RepairAction =
  | { kind: 'start-bricks'; paths: string[] }
  | { kind: 'rebuild-graphs'; bricks: string[] }
  | {
      kind: 'restart-self-heal';
      pending: number;
      why: 'does not run' | 'is away from a copy' | 'gets nowhere';
    };
export type RepairKind = RepairAction['kind'];

export type RepairState = {
  /** since when its trouble has been seen */
  since: Partial<Record<RepairKind, number>>;
  /** the least that was seen waiting since then */
  leastPending: number | undefined;
  standstillSinceMs: number | undefined;
  /** what was done since the volume was healthy last */
  done: Partial<Record<RepairKind, { atMs: number; tries: number }>>;
  /** the option whose change rebuilds graphs: another host may have just done it */
  prefetch: string | undefined;
};

export const repairTimes = {
  deadForMs: 5_000,
  lostForMs: 12_000,
  standstillMs: 60_000,
  pauseMs: 30_000,
  longestPauseMs: 600_000,
} as const;

export const freshRepair: RepairState = {
  since: {},
  leastPending: undefined,
  standstillSinceMs: undefined,
  done: {},
  prefetch: undefined,
};

export function decideRepair(
  before: RepairState,
  seen: { view: VolumeView; health: Health; nowMs: number },
): { state: RepairState; action: RepairAction | undefined } {
  const { view, health, nowMs } = seen;
  // What could not be seen is no reason to do anything.
  if (!view.info.started) return { state: before, action: undefined };

  const dead = view.own.filter(({ alive }) => !alive);
  const lost = health.bricks.filter((brick) => brick.online === true && brick.connectedHere === false);
  const connected = view.mount.state === 'mounted' ? [true] : [true, undefined];
  const allThere = health.bricks.every(
    (brick) => brick.online === true && connected.includes(brick.connectedHere),
  );
  const unhealed = (view.selfHeal ?? []).filter(({ connected }) => !connected);
  const absent = view.own.length > 0 && view.info.setSize > 1 && view.selfHeal?.length === 0;
  const unserved = absent || unhealed.length > 0;
  const pending = allThere ? health.healPending : undefined;
  const prefetch = view.info.options['performance.stat-prefetch'];
  const rebuilt = before.prefetch !== prefetch;

  const since = {
    ...lasting('start-bricks', dead.length > 0, before, nowMs),
    ...lasting('rebuild-graphs', lost.length > 0 && !rebuilt, before, nowMs),
    ...lasting('restart-self-heal', allThere && unserved, before, nowMs),
  };
  const state: RepairState = {
    since,
    ...standstill(before, pending, nowMs),
    done: health.state === 'healthy' && !unserved ? {} : before.done,
    prefetch,
  };
  const lastsFor = (kind: RepairKind, ms: number): boolean => {
    const start = since[kind];
    return start !== undefined && nowMs - start >= ms && mayAgain(state, kind, nowMs);
  };

  if (lastsFor('start-bricks', repairTimes.deadForMs))
    return acted(state, { kind: 'start-bricks', paths: dead.map(({ path }) => path) }, nowMs);
  if (lastsFor('rebuild-graphs', repairTimes.lostForMs))
    return acted(state, { kind: 'rebuild-graphs', bricks: lost.map((brick) => brick.address) }, nowMs);
  const stands =
    state.standstillSinceMs !== undefined &&
    nowMs - state.standstillSinceMs >= repairTimes.standstillMs &&
    mayAgain(state, 'restart-self-heal', nowMs);
  if (lastsFor('restart-self-heal', repairTimes.lostForMs) || stands)
    return acted(
      { ...state, leastPending: undefined, standstillSinceMs: undefined },
      {
        kind: 'restart-self-heal',
        pending: pending ?? 0,
        why: absent ? 'does not run' : unserved ? 'is away from a copy' : 'gets nowhere',
      },
      nowMs,
    );
  return { state, action: undefined };
}

const lasting = (kind: RepairKind, troubled: boolean, before: RepairState, nowMs: number) =>
  troubled ? { [kind]: before.since[kind] ?? nowMs } : {};

function mayAgain({ done }: RepairState, kind: RepairKind, nowMs: number): boolean {
  const last = done[kind];
  if (last === undefined) return true;
  return (
    nowMs - last.atMs >= Math.min(repairTimes.longestPauseMs, repairTimes.pauseMs * 2 ** (last.tries - 1))
  );
}

function acted(state: RepairState, action: RepairAction, nowMs: number) {
  const tries = (state.done[action.kind]?.tries ?? 0) + 1;
  const { [action.kind]: _, ...since } = state.since;
  return {
    state: { ...state, since, done: { ...state.done, [action.kind]: { atMs: nowMs, tries } } },
    action,
  };
}

function standstill(before: RepairState, pending: number | undefined, nowMs: number) {
  if (pending === undefined || pending === 0)
    return { leastPending: undefined, standstillSinceMs: undefined };
  if (before.leastPending === undefined || pending < before.leastPending)
    return { leastPending: pending, standstillSinceMs: nowMs };
  return { leastPending: before.leastPending, standstillSinceMs: before.standstillSinceMs ?? nowMs };
}
