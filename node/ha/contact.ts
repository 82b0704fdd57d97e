import type { Memory, Observation } from './model.ts';
import { majorityOf } from './model.ts';
import type { Timings } from './timings.ts';

/** How sure this host may be that it belongs to the majority; the clock starts when the last confirmed request was sent. */
export type Contact =
  /** what it reads of the store is true but for the blink of an eye */
  | 'sure'
  /** starts nothing; the rest goes on */
  | 'doubtful'
  /** ends its VMs: others may be about to start them */
  | 'lost';

export function contactOf(seen: Observation, memory: Memory, times: Timings): Contact {
  // An agent that was just started has its time too: its VMs go on while it looks for the others.
  const age = seen.nowMs - (seen.contactMs ?? memory.startedMs);
  if (age >= times.selfStopMs) return nobodyHas(seen, memory, times) ? 'doubtful' : 'lost';
  if (seen.contactMs === undefined || age >= times.stopStartingMs || seen.view === undefined)
    return 'doubtful';
  return 'sure';
}

/**
 * etcd is gone for everybody: more than half of the members, this one among them, are heard right now and have no contact
 * either. So nobody can fence this host or give its VMs away, and to end them would only do harm. README.md says why.
 */
function nobodyHas({ self, view, heard, nowMs }: Observation, memory: Memory, times: Timings): boolean {
  if (view === undefined || view.fences.has(self)) return false;
  let without = 1;
  for (const { id } of view.members) {
    const last = heard.get(id);
    if (id === self || last === undefined || last.atMs < memory.steadySinceMs) continue;
    if (nowMs - last.atMs >= times.silentMs) continue;
    if (last.answer !== 'agent') continue;
    if (last.hasContact) return false;
    without += 1;
  }
  return without >= majorityOf(view.members.length);
}
