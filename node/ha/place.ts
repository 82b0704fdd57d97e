import { type HaAssignment, type HaReport, type HaVm, haKeys } from '../contract/ha.ts';
import type { HostId } from '../contract/ids.ts';
import { mayBeFenced, type View } from './model.ts';

/** Where VMs go. Room is what hosts reported last, less what was given to them and does not run there yet. */
export type Room = Map<HostId, number>;

export function roomOf(view: View): Room {
  const room: Room = new Map();
  for (const { value } of view.reports.values())
    if (mayTake(view, value)) room.set(value.host, value.freeMemoryMiB);
  for (const { value } of view.assignments.values()) {
    const vm = view.vms.get(value.vm);
    if (vm?.wanted !== 'running' || value.state !== 'given') continue;
    for (const host of new Set([value.host, value.movingTo ?? value.host])) {
      const waits = view.reports.get(host)?.value.vms.every((one) => one.vm !== vm.id);
      const free = room.get(host);
      if (waits === true && free !== undefined) room.set(host, free - vm.memoryMiB);
    }
  }
  return room;
}

const mayTake = (view: View, report: HaReport): boolean =>
  !report.maintenance &&
  !view.maintenance.has(report.host) &&
  !view.unreadable.has(haKeys.maintenance(report.host)) &&
  report.vmsKnown &&
  !mayBeFenced(view, report.host);

/**
 * The host, and room without it; or why there is none. A host on which it failed is the last choice; else the preferred
 * one is the first.
 */
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
  const other = (host: HostId) => (host === vm.preferredHost ? 0 : 1);
  const [best] = fits.sort(
    ([a, freeA], [b, freeB]) =>
      failedHere(a) - failedHere(b) || other(a) - other(b) || freeB - freeA || (a < b ? -1 : 1),
  );
  if (best === undefined) return { host: undefined, why: 'no host is there' };
  room.set(best[0], best[1] - vm.memoryMiB);
  return { host: best[0] };
}
