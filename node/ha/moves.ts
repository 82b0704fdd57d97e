import { type HaAssignment, haKeys } from '../contract/ha.ts';
import type { HostId } from '../contract/ids.ts';
import { endMove } from './assignments.ts';
import {
  type Action,
  type Guard,
  type Kept,
  type LocalVm,
  nameOf,
  type Observation,
  type View,
} from './model.ts';
import type { Since } from './since.ts';
import type { Timings } from './timings.ts';

/**
 * A live migration, as HA sees it. Ground rules:
 * - the engine writes `movingTo` before it orders the move, naming that the target has no fence: a proof must have known of
 *   it. From then on the VM may run at either end, in one epoch;
 * - while it stands, the source never starts the VM, and neither end takes it for a stranger's;
 * - the source settles it, by what it has itself and by what the target reports; each write names the report or the fence
 *   that it rests on. With the source lost the leader settles it (giving.ts).
 *
 *   here, and the target's report is without it for long   -> stays ours, the move is forgotten
 *   not here, the target reports that it runs                  -> the target's, in the same epoch
 *   not here, nor at the target for a while                -> given back: it died on its way
 *   the target is fenced                                   -> ours if it is here, else given back
 */
export function settleMove(
  seen: Observation,
  view: View,
  kept: Kept<HaAssignment>,
  target: HostId,
  since: Since,
  times: Timings,
): Action | undefined {
  const { vm, epoch } = kept.value;
  const local = seen.vms?.find((one) => one.vm === vm);
  const isHere = local !== undefined || seen.vms === undefined;
  const name = view.vms.get(vm)?.name ?? vm;
  const to = nameOf(view, target);
  const stays = (text: string, guards: readonly Guard[]) =>
    endMove(kept, {}, { guards, told: { severity: 'warning', text } });
  const isLost = (text: string, guards: readonly Guard[]) => {
    // A guest that shut down here, on its way, is not to be started elsewhere.
    const shutDown = seen.ends.some((one) => one.vm === vm && one.epoch === epoch && one.how === 'guest');
    const change = shutDown
      ? { state: 'ended' as const, why: 'its guest shut down' }
      : { state: 'released' as const, why: `it was lost on its way to ${to}` };
    return endMove(kept, change, { guards, told: { severity: 'warning', text } });
  };

  const fence = view.fences.get(target);
  if (fence?.value.phase === 'fenced') {
    const guards = [{ key: haKeys.fence(target), revision: fence.revision }];
    // It may have been handed over: `whyMoveIsDead`.
    if (local?.state === 'paused') return undefined;
    return isHere
      ? stays(`${name} stays here: ${to} is lost.`, guards)
      : isLost(`${name} was on its way to ${to}, which is lost.`, guards);
  }
  const report = view.reports.get(target);
  const there = report?.value.vms.find((one) => one.vm === vm);
  const isAbsent = report?.value.vmsKnown === true && there === undefined;
  // Counted from the write of this assignment: who moves it writes that anew right before it begins.
  const absentMs = since.held(`not-at-target:${vm}:${kept.revision}`, isAbsent);
  // What only waits there for its memory has not arrived: with the source's gone it never will.
  if (!isHere && there?.epoch === epoch && there.state !== 'starting')
    return endMove(
      kept,
      { host: target, why: 'it was moved' },
      { told: { severity: 'info', text: `${name} has moved to ${to}.` } },
    );
  if (report === undefined || absentMs === undefined) return undefined;
  // It must still be so when this is written.
  const guards = [{ key: haKeys.report(target), revision: report.revision }];
  if (!isHere && absentMs >= times.lostMoveMs)
    return isLost(`${name} was on its way to ${to} and did not arrive.`, guards);
  if (isHere && absentMs >= times.idleMoveMs)
    return stays(`${name} stays here: it was to move to ${to}, and nothing of it came there.`, guards);
  return undefined;
}

/**
 * A VM that is here and cannot go on, because the other end of its move is gone: ended here, so that it can be started.
 * Undefined: nothing of that.
 */
export function whyMoveIsDead(
  view: View,
  local: LocalVm,
  { value }: Kept<HaAssignment>,
  self: HostId,
  since: Since,
  times: Timings,
): string | undefined {
  if (local.epoch !== value.epoch || value.host !== self) return undefined;
  // It is ours alone, and still waits for a memory that nobody sends.
  const orphan = since.held(`orphan:${local.vm}`, local.incoming === true && value.movingTo === undefined);
  if (orphan !== undefined && orphan >= times.lostMoveMs) return 'the rest of it did not come';
  // It stands still here until the target says whether it runs there, and the target is lost.
  const isLeft =
    value.movingTo !== undefined &&
    local.state === 'paused' &&
    view.fences.get(value.movingTo)?.value.phase === 'fenced';
  const left = since.held(`left:${local.vm}`, isLeft);
  if (left !== undefined && left >= times.lostMoveMs) return 'it was handed over to a host that is lost';
  return undefined;
}
