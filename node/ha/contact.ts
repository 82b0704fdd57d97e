import type { Observation } from './model.ts';
import type { Timings } from './timings.ts';

/** How sure this host may be that it belongs to the majority; the clock starts when the last confirmed request was sent. */
export type Contact =
  /** what it reads of the store is true but for the blink of an eye */
  | 'sure'
  /** starts nothing; the rest goes on */
  | 'doubtful'
  /** ends its VMs: others may be about to start them */
  | 'lost';

export function contactOf(seen: Observation, times: Timings): Contact {
  if (seen.contactMs === undefined) return 'lost';
  const age = seen.nowMs - seen.contactMs;
  if (age >= times.selfStopMs) return 'lost';
  if (age >= times.stopStartingMs || seen.view === undefined) return 'doubtful';
  return 'sure';
}
