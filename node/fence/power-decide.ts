/**
 * What to do next with the devices of one order, so that all of them certainly say "off" at the same time:
 *
 *   look --off--> told --status--> off (all devices: then all are read once more) --> proven
 *                  ^       |
 *                  +-- on, or no answer: again after a pause, until the deadline
 *
 * Pure: what happened so far goes in, one step for each device or a verdict comes out.
 */
export type Told =
  /** the agent said that it did it; says nothing about the machine */
  | { act: 'off'; ended: 'done' }
  | { act: 'off'; ended: 'failed'; says: string; final: boolean }
  | { act: 'status'; ended: 'on' | 'off' }
  | { act: 'status'; ended: 'failed'; says: string; final: boolean };

export type Progress = {
  /** oldest first */
  told: readonly Told[];
};

export type Step =
  | { kind: 'call'; act: 'off' | 'status'; afterMs: number }
  | { kind: 'proven' }
  | { kind: 'failed'; code: 'fence.lying' | 'fence.no-proof'; says: string };

export type PowerTimings = {
  /** one call of an agent for `off`; it waits itself until the device reports the change */
  offMs: number;
  statusMs: number;
  /** for all devices of one order */
  orderMs: number;
  pauseMs: number;
  /** an `off` that is not followed by the word "off" is tried this often; then the next order has its turn */
  tries: number;
};

/** fence_ipmilan takes 2.2 s for an `off`; slow BMCs ten times that. */
export const powerTimings: PowerTimings = {
  offMs: 40_000,
  statusMs: 20_000,
  orderMs: 90_000,
  pauseMs: 1_000,
  tries: 2,
};

/** The next step for one device while its time is not over. */
export function nextStep({ told }: Progress, leftMs: number, timings: PowerTimings): Step {
  const last = told.at(-1);
  if (last === undefined) return { kind: 'call', act: 'off', afterMs: 0 };
  if (last.ended === 'off') return { kind: 'proven' };
  if (last.ended === 'failed' && last.final)
    return { kind: 'failed', code: 'fence.no-proof', says: last.says };
  // An `off` that failed may still have worked, and one that was done may not: only the device's own word counts.
  if (last.act === 'off') return leftMs <= 0 ? verdict(told) : { kind: 'call', act: 'status', afterMs: 0 };
  if (leftMs <= timings.pauseMs) return verdict(told);
  const offBefore = told.findLast((one) => one.act === 'off');
  const again = last.ended === 'on' || offBefore?.ended === 'failed' ? 'off' : 'status';
  const tried = told.filter((one) => one.act === again).length;
  if (tried >= timings.tries) return verdict(told);
  return { kind: 'call', act: again, afterMs: timings.pauseMs };
}

function verdict(told: readonly Told[]): Step {
  const said = told.findLast((one) => one.act === 'off' && one.ended === 'done');
  const state = told.findLast((one) => one.act === 'status');
  if (state?.ended === 'on')
    return said === undefined
      ? { kind: 'failed', code: 'fence.no-proof', says: `could not switch off: ${lastFailure(told)}` }
      : {
          kind: 'failed',
          code: 'fence.lying',
          says: 'said that it switched off, but its status still says on',
        };
  return { kind: 'failed', code: 'fence.no-proof', says: lastFailure(told) };
}

function lastFailure(told: readonly Told[]): string {
  const last = told.findLast((one) => one.ended === 'failed');
  return last?.ended === 'failed' ? last.says : 'did not say off in time';
}
