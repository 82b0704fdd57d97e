import type { HaNote, HaVm } from '../contract/ha.ts';
import type { HaStatus } from '../contract/ha-status.ts';
import type { HostId } from '../contract/ids.ts';
import type { Contact } from './contact.ts';
import { nameOf, type Observation, type View } from './model.ts';

/** What one agent sees, in words for people: pure, and true as far as this host has heard. */
export function summaryOf(
  seen: Observation,
  more: {
    name: string;
    contact: Contact | undefined;
    notes: readonly HaNote[];
    unreadable: ReadonlyMap<string, string>;
  },
): HaStatus {
  const { view } = seen;
  const nameFor = (host: HostId): string => (view === undefined ? host : nameOf(view, host));
  return {
    host: more.name,
    contact: more.contact ?? 'none',
    contactAgeMs: seen.contactMs === undefined ? null : Math.max(0, Math.round(seen.nowMs - seen.contactMs)),
    leader: view?.leader === undefined ? null : nameFor(view.leader.value.host),
    hosts:
      view?.members
        .map(({ id, name }) => ({ name, ...hostSight(view, id) }))
        .sort((a, b) => a.name.localeCompare(b.name, 'en', { numeric: true })) ?? [],
    vms:
      view === undefined
        ? []
        : [...view.vms.values()]
            .sort((a, b) => b.priority - a.priority || a.name.localeCompare(b.name, 'en', { numeric: true }))
            .map((vm) => vmSight(view, vm)),
    timeline: more.notes.map(({ at, by, severity, text }) => ({ at, by: nameFor(by), severity, text })),
    unreadable: [...more.unreadable].map(([key, reason]) => ({ key, reason })),
  };
}

function hostSight(view: View, id: HostId): { state: string; why: string } {
  const fence = view.fences.get(id)?.value;
  const report = view.reports.get(id)?.value;
  if (fence !== undefined) {
    const state = fence.phase === 'lifting' ? 'returning' : fence.phase;
    return { state, why: fence.proof ?? fence.why };
  }
  const isInMaintenance = view.maintenance.has(id);
  if (report === undefined) {
    const why = 'its agent has no lease with the store';
    return isInMaintenance
      ? { state: 'maintenance', why: `${why}: it may be off` }
      : { state: 'unknown', why };
  }
  const deaf = [...view.reports.values()].filter(({ value }) => value.silent.includes(id));
  if (deaf.length > 0) {
    const names = deaf.map(({ value }) => nameOf(view, value.host)).sort();
    return { state: 'suspect', why: `not heard by ${names.join(', ')}` };
  }
  if (isInMaintenance) return { state: 'maintenance', why: 'it takes no VMs' };
  if (!report.vmsKnown) return { state: 'online', why: 'libvirt does not answer there' };
  return { state: 'online', why: '' };
}

function vmSight(view: View, vm: HaVm): HaStatus['vms'][number] {
  const sight = { name: vm.name, wanted: vm.wanted };
  const kept = view.assignments.get(vm.id)?.value;
  if (kept === undefined)
    return {
      ...sight,
      state: vm.wanted === 'running' ? 'waits' : 'off',
      host: null,
      epoch: null,
      why: vm.wanted === 'running' ? 'no host has it yet' : '',
    };
  const { host, epoch, movingTo, why } = kept;
  const there = view.reports.get(host)?.value.vms.find((one) => one.vm === vm.id && one.epoch === epoch);
  const state =
    kept.state === 'released'
      ? 'given back'
      : kept.state === 'ended'
        ? 'shut down'
        : movingTo === undefined
          ? (there?.state ?? (view.reports.has(host) ? 'not running' : 'unknown'))
          : `moves to ${nameOf(view, movingTo)}`;
  return { ...sight, state, host: nameOf(view, host), epoch, why };
}
