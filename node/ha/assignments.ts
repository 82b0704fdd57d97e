import { type HaAssignment, haKeys } from '../contract/ha.ts';
import type { Action, Guard, Kept, Note } from './model.ts';

/** What the host that has a VM may write about it: its own assignment as it read it, changed. */
export function rewrite(
  kept: Kept<HaAssignment>,
  change: Partial<HaAssignment>,
  more: { guards?: readonly Guard[]; told?: Omit<Note, 'about'> } = {},
): Action {
  const key = haKeys.assignment(kept.value.vm);
  const { guards = [], told } = more;
  return {
    kind: 'write',
    // safety: nothing is given back while a start of it is on its way: of one key one at a time.
    key: `vm:${kept.value.vm}`,
    guards: [{ key, revision: kept.revision }, ...guards],
    writes: [{ key, value: { ...kept.value, ...change } }],
    ...(told === undefined ? {} : { told: { ...told, about: kept.value.vm } }),
  };
}

/** The same for a move that is over: without the host that it was to go to. */
export function endMove(
  kept: Kept<HaAssignment>,
  change: Partial<HaAssignment>,
  more: { guards?: readonly Guard[]; told: Omit<Note, 'about'> },
): Action {
  const { movingTo: _, ...value } = kept.value;
  return rewrite({ ...kept, value: value as HaAssignment }, change, more);
}
