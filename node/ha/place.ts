import type { HaAssignment, HaReport, HaVm } from '../contract/ha.ts';
import type { HostId } from '../contract/ids.ts';
import type { View } from './model.ts';

/** Where VMs go. Room is what hosts reported last, less what was given to them and does not run there yet. */
export type Room = Map<HostId, number>;

export function roomOf(view: View): Room {
  const room: Room = new Map();
  for (const { value } of view.reports.values())
    if (mayTake(view, value)) room.set(value.host, value.freeMemoryMiB);
  for (const { value } of view.assignments.values()) {
    const report = view.reports.get(value.host)?.value;
    const vm = view.vms.get(value.vm);
    const waits =
      value.state === 'given' && vm?.wanted === 'running' && report?.vms.every((one) => one.vm !== vm.id);
    const free = room.get(value.host);
    if (vm !== undefined && waits === true && free !== undefined) room.set(value.host, free - vm.memoryMiB);
  }
  return room;
}

const mayTake = (view: View, report: HaReport): boolean =>
  !report.maintenance && !view.fences.has(report.host);

/** The host, and room without it; or why there is none. A host on which it failed is the last choice. */
export function place(
  vm: HaVm,
  before: HaAssignment | undefined,
  room: Room,
): { host: HostId } | { host: undefined; why: string } {
  const allowed = [...room].filter(([host]) => vm.allowedHosts?.includes(host) ?? true);
  if (allowed.length === 0) return { host: undefined, why: 'no host that it may run on is there' };
  const fits = allowed.filter(([, free]) => free >= vm.memoryMiB);
  if (fits.length === 0) return { host: undefined, why: `no host has ${vm.memoryMiB} MiB of memory free` };
  const failedHere = (host: HostId) => (before?.failedOn.includes(host) === true ? 1 : 0);
  const [best] = fits.sort(
    ([a, freeA], [b, freeB]) => failedHere(a) - failedHere(b) || freeB - freeA || (a < b ? -1 : 1),
  );
  if (best === undefined) return { host: undefined, why: 'no host is there' };
  room.set(best[0], best[1] - vm.memoryMiB);
  return { host: best[0] };
}
