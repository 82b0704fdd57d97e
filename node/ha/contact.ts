import type { Memory, Observation } from './model.ts';
import { majorityOf } from './model.ts';
import type { Since } from './since.ts';
import type { Timings } from './timings.ts';

/** How sure this host may be that it belongs to the majority; the clock starts when the last confirmed request was sent. */
export type Contact =
  /** what it reads of the store is true but for the blink of an eye */
  | 'sure'
  /** starts nothing; the rest goes on */
  | 'doubtful'
  /** ends its VMs: others may be about to start them */
  | 'lost';

export function contactOf(seen: Observation, memory: Memory, since: Since, times: Timings): Contact {
  // An agent that was just started has its time too: its VMs go on while it looks for the others.
  const age = seen.nowMs - (seen.contactMs ?? memory.startedMs);
  const heard = countHeard(seen, memory, times);
  const behindMs = since.held('behind', age >= times.stopStartingMs && heard.someHave) ?? 0;
  if (age >= times.selfStopMs) {
    // When etcd comes back, it does not come to all in the same moment.
    const isGoneForAll = heard.majority && behindMs < times.stopStartingMs;
    return isGoneForAll ? 'doubtful' : 'lost';
  }
  if (seen.contactMs === undefined || age >= times.stopStartingMs || seen.view === undefined)
    return 'doubtful';
  return 'sure';
}

/**
 * etcd is gone for everybody when more than half of the members, this one among them, are heard right now and none of them
 * has contact either. Then nobody can fence this host or give its VMs away, and to end them would only do harm. README.md
 * says why.
 */
function countHeard(
  { self, view, heard, nowMs }: Observation,
  memory: Memory,
  times: Timings,
): { majority: boolean; someHave: boolean } {
  if (view === undefined || view.fences.has(self)) return { majority: false, someHave: false };
  let count = 1;
  let someHave = false;
  for (const { id } of view.members) {
    const last = heard.get(id);
    if (id === self || last?.answer !== 'agent' || last.atMs < memory.steadySinceMs) continue;
    if (nowMs - last.atMs >= times.silentMs) continue;
    count += 1;
    if (last.hasContact) someHave = true;
  }
  return { majority: count >= majorityOf(view.members.length), someHave };
}
