import type { Health, VolumeView } from './health.ts';

/**
 * The two repairs for clients that stay disconnected from a brick that is back (see README, "The reconnect trap").
 * A pure decision over what was seen in turn; the watch in watch.ts feeds and applies it.
 *
 *   mount lost a brick that is online, for `lostForMs`           -> rebuild the graphs of all clients
 *   all online and connected, but what waits does not get less   -> restart the self-heal daemon of this host
 */
export type RepairAction =
  | { kind: 'rebuild-graphs'; bricks: string[] }
  | { kind: 'restart-self-heal'; pending: number };

export type RepairState = {
  /** since when this mount misses a brick that is online */
  lostSinceMs: number | undefined;
  /** the least that was seen waiting since `stuckSinceMs` */
  leastPending: number | undefined;
  stuckSinceMs: number | undefined;
  lastActionMs: number | undefined;
  /** repairs in a row that did not help; each doubles the pause */
  tries: number;
};

export const repairTimes = {
  lostForMs: 12_000,
  stuckForMs: 60_000,
  pauseMs: 30_000,
  longestPauseMs: 600_000,
} as const;

export const freshRepair: RepairState = {
  lostSinceMs: undefined,
  leastPending: undefined,
  stuckSinceMs: undefined,
  lastActionMs: undefined,
  tries: 0,
};

export function decideRepair(
  before: RepairState,
  seen: { view: VolumeView; health: Health; nowMs: number },
): { state: RepairState; action: RepairAction | undefined } {
  const { view, health, nowMs } = seen;
  // What could not be seen is no reason to do anything.
  if (!view.info.started || view.processes === undefined || view.mount.links === undefined)
    return { state: before, action: undefined };

  const lost = health.bricks.filter((brick) => brick.online && brick.connectedHere === false);
  const allThere = health.bricks.every((brick) => brick.online && brick.connectedHere !== false);
  const pending = allThere ? health.healPending : undefined;
  const state: RepairState = {
    ...before,
    lostSinceMs: lost.length > 0 ? (before.lostSinceMs ?? nowMs) : undefined,
    ...stuckness(before, pending, nowMs),
    ...(health.state === 'healthy' ? { tries: 0 } : {}),
  };

  const pause = Math.min(repairTimes.longestPauseMs, repairTimes.pauseMs * 2 ** Math.max(0, state.tries - 1));
  if (state.lastActionMs !== undefined && state.tries > 0 && nowMs - state.lastActionMs < pause)
    return { state, action: undefined };
  const acted = { ...state, lastActionMs: nowMs, tries: state.tries + 1 };

  if (state.lostSinceMs !== undefined && nowMs - state.lostSinceMs >= repairTimes.lostForMs)
    return {
      state: { ...acted, lostSinceMs: undefined },
      action: { kind: 'rebuild-graphs', bricks: lost.map((brick) => brick.address) },
    };
  if (
    pending !== undefined &&
    state.stuckSinceMs !== undefined &&
    nowMs - state.stuckSinceMs >= repairTimes.stuckForMs
  )
    return {
      state: { ...acted, stuckSinceMs: undefined, leastPending: undefined },
      action: { kind: 'restart-self-heal', pending },
    };
  return { state, action: undefined };
}

function stuckness(before: RepairState, pending: number | undefined, nowMs: number) {
  if (pending === undefined || pending === 0) return { leastPending: undefined, stuckSinceMs: undefined };
  if (before.leastPending === undefined || pending < before.leastPending)
    return { leastPending: pending, stuckSinceMs: nowMs };
  return { leastPending: before.leastPending, stuckSinceMs: before.stuckSinceMs ?? nowMs };
}
