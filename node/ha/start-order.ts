import { enginePriority, type HaVm } from '../contract/ha.ts';
import type { VmId } from '../contract/ids.ts';
import type { Observation, View } from './model.ts';
import type { Since } from './since.ts';
import type { Timings } from './timings.ts';

/**
 * Whose turn it is to start. VMs are given to hosts at once, which keeps their memory for them; each host starts those
 * whose turn has come. Where nothing runs (after a power cut) the engine's VM is the first. A VM with a delay waits until
 * all VMs of a higher priority have run for so long; one of those that does not come up holds up the others for a while only.
 */
export function startOrder(
  seen: Observation,
  view: View,
  startedMs: number,
  since: Since,
  times: Timings,
): (id: VmId) => boolean {
  const wanted = [...view.vms.values()].filter((vm) => vm.wanted === 'running');
  // After a power cut reports of before are still there, on leases that a new etcd leader has prolonged. Until they are
  // certainly gone, only what was written after this agent's own first word counts.
  const own = view.reports.get(seen.self);
  const isYoung = seen.nowMs - startedMs < 2 * times.leaseMs;
  const isTrue = (revision: number): boolean =>
    !isYoung || (own?.value.instance === seen.instance && revision >= own.revision);
  const runs = (vm: HaVm): boolean => {
    const kept = view.assignments.get(vm.id)?.value;
    if (kept?.state === 'ended') return true;
    const report = kept === undefined ? undefined : view.reports.get(kept.host);
    if (report === undefined || !isTrue(report.revision)) return false;
    return report.value.vms.some(
      (one) => one.vm === vm.id && one.epoch === kept?.epoch && one.state === 'running',
    );
  };
  const hasEngine = wanted.some(({ priority }) => priority === enginePriority);
  const coldMs = since.held('order:cold', hasEngine && !wanted.some(runs));
  const engineIsFirst = coldMs !== undefined && coldMs < times.engineFirstMs;

  const openMs = new Map<number, number>();
  for (const { priority, startDelaySeconds = 0 } of wanted) {
    if (startDelaySeconds === 0 || openMs.has(priority)) continue;
    const isUp = wanted.every((vm) => vm.priority <= priority || runs(vm));
    const upMs = since.held(`order:up:${priority}`, isUp);
    const heldUpMs = since.held(`order:held-up:${priority}`, !isUp) ?? 0;
    openMs.set(priority, upMs ?? heldUpMs - times.orderPatienceMs);
  }
  return (id) => {
    const vm = view.vms.get(id);
    if (vm === undefined || vm.priority === enginePriority) return true;
    if (engineIsFirst) return false;
    const delayMs = (vm.startDelaySeconds ?? 0) * 1_000;
    return delayMs === 0 || (openMs.get(vm.priority) ?? delayMs) >= delayMs;
  };
}
