import type { HaAssignment, HaDisarmed } from '../../node/contract/ha.ts';
import type { HostId, VmId } from '../../node/contract/ids.ts';
import type { HaHostSight, HaHostState, HaState, HaVmSight } from '../contract/ha.ts';
import type { Volume } from '../contract/storage.ts';
import { devicesOf, fenceSightOf, proofsSay, type RecipientKeys } from '../fence/view.ts';
import { admissionOf } from './admission.ts';
import { type HaView, isThere } from './view.ts';

/** What the state that people see is made from, besides HA's records. */
export type HaFacts = {
  current: boolean;
  reason: string;
  /** members, by name; witnesses too */
  hosts: ReadonlyArray<{ id: HostId; name: string; runsVms: boolean; freeMiB: number | undefined }>;
  volumes: readonly Volume[];
  /** what fence devices’ secrets must be sealed to */
  recipientKeys?: RecipientKeys;
};

export function haStateOf(view: HaView, facts: HaFacts): HaState {
  const names = new Map(facts.hosts.map(({ id, name }) => [id, name]));
  const named = (id: HostId) => ({ id, name: names.get(id) ?? 'unknown' });
  const leader = view.leader === undefined ? undefined : named(view.leader.host);
  const { armed, why } = armedOf(view, facts, leader?.name);
  const admission = admissionUnder(view, facts);
  const isIdle = view.disarmed !== undefined && admission.answer === 'yes';
  return {
    armed,
    why,
    ...(facts.current && view.disarmed !== undefined ? { disarmed: disarmedOf(view.disarmed) } : {}),
    current: facts.current,
    ...(leader === undefined ? {} : { leader }),
    hosts: facts.hosts.map(({ id, name }) => hostOf(view, facts, id, name)),
    vms: vmsOf(view, named),
    admission: isIdle
      ? { ...admission, why: `${admission.why} They do not start there by themselves: ${why}` }
      : admission,
    unreadable: [...view.unreadable],
  };
}

function armedOf(view: HaView, facts: HaFacts, leader: string | undefined): { armed: boolean; why: string } {
  if (!facts.current) return { armed: false, why: facts.reason };
  if (!isThere(view)) return { armed: false, why: 'The hosts of this cluster have no HA yet.' };
  if (facts.hosts.length < 3)
    return {
      armed: false,
      why: `HA needs three hosts: with ${facts.hosts.length} the loss of one leaves no majority.`,
    };
  if (leader === undefined) return { armed: false, why: 'No host leads HA now.' };
  if (view.disarmed !== undefined)
    return {
      armed: false,
      why: `Disarmed for planned work by ${view.disarmed.by}: nothing is done about a lost host.`,
    };
  return { armed: true, why: `Lost hosts are acted upon; ${leader} leads.` };
}

function hostOf(view: HaView, facts: HaFacts, id: HostId, name: string): HaHostSight {
  const { state, why } = hostState(view, facts, id);
  const fenceDevices = devicesOf(view.fenceDevices.values(), id).map(({ value }) =>
    fenceSightOf(value, view.fenceHealth.get(value.id), facts.hosts, facts.recipientKeys ?? new Map()),
  );
  const proofs = {
    storage: canBeKeptOff(view, facts, id, name),
    device: view.devices.has(id),
    watchdog: view.watchdogs.has(id),
  };
  return {
    id,
    name,
    state,
    why,
    leads: view.leader?.host === id,
    proofs,
    proofsSay: proofsSay({ ...proofs, devices: fenceDevices }),
    fenceDevices,
    canConfirmOff: facts.current && state === 'fencing',
  };
}

function hostState(view: HaView, facts: HaFacts, id: HostId): { state: HaHostState; why: string } {
  if (!facts.current) return { state: 'unknown', why: facts.reason };
  const fence = view.fences.get(id)?.value;
  switch (fence?.phase) {
    case 'fencing':
      return {
        state: 'fencing',
        why: sentence(`${fence.why}; it is waited for a proof that it writes nothing`),
      };
    case 'fenced':
      return {
        state: 'fenced',
        why: sentence(`${fence.why}. It can write nothing: ${fence.proof ?? 'proven'}`),
      };
    case 'lifting':
      return { state: 'returning', why: 'It is back and gets its storage again.' };
    case undefined:
      break;
  }
  const report = view.reports.get(id);
  const maintenance = view.maintenance.get(id);
  if (maintenance !== undefined && report === undefined)
    return { state: 'maintenance', why: `Since ${maintenance.by} said so; it is off, or its agent is.` };
  if (report === undefined)
    return isThere(view)
      ? { state: 'suspect', why: 'Its HA agent has not reported for some seconds.' }
      : { state: 'unknown', why: 'The hosts of this cluster have no HA yet.' };
  const silentTo = [...view.reports.values()].filter(({ silent }) => silent.includes(id)).length;
  if (silentTo > 0)
    return {
      state: 'suspect',
      why: `${silentTo} of ${view.reports.size} hosts have not heard it for some seconds.`,
    };
  if (report.maintenance || maintenance !== undefined)
    return { state: 'maintenance', why: 'It takes no VMs, and gives away those that it has.' };
  return { state: 'online', why: '' };
}

const minuteMs = 60_000;
const disarmedOf = ({ leftMs, by, reason }: HaDisarmed) => ({
  minutesLeft: Math.ceil(leftMs / minuteMs),
  by,
  reason,
});

const sentence = (text: string): string =>
  `${text.charAt(0).toUpperCase()}${text.slice(1)}${/[.!?]$/.test(text) ? '' : '.'}`;

/**
 * Whether the others can keep it from all that its VMs write to: when they all refuse it, fewer of each replica set's
 * bricks are left to it than a quorum. Without VMs: of all volumes that VMs may use.
 */
function canBeKeptOff(view: HaView, facts: HaFacts, id: HostId, name: string): boolean {
  const used = new Set<string>();
  for (const { value } of view.assignments.values())
    if (value.host === id || value.movingTo === id)
      for (const volume of view.vms.get(value.vm)?.value.volumes ?? []) used.add(volume);
  const names =
    used.size > 0 ? [...used] : facts.volumes.filter(({ forVms }) => forVms).map((volume) => volume.name);
  if (names.length === 0) return false;
  return names.every((volumeName) => {
    const volume = facts.volumes.find((each) => each.name === volumeName);
    return volume !== undefined && replicaSets(volume).every((bricks) => !isQuorum(bricks, name));
  });
}

const replicas: Record<string, number> = { 'replica-3': 3, 'replica-2-arbiter': 3 };

/** Host names, one list a replica set; storage that we cannot tell is one that nobody can be kept from. */
export function replicaSets({ layout, bricks }: Pick<Volume, 'layout' | 'bricks'>): string[][] {
  const size = replicas[layout] ?? 1;
  const sets: string[][] = [];
  for (let at = 0; at < bricks.length; at += size)
    sets.push(bricks.slice(at, at + size).map(({ host }) => host));
  return sets;
}

const isQuorum = (bricks: readonly string[], host: string): boolean =>
  bricks.filter((each) => each === host).length > bricks.length / 2;

function vmsOf(view: HaView, named: (id: HostId) => { id: HostId; name: string }): HaVmSight[] {
  const ids = new Set<VmId>([...view.vms.keys(), ...view.assignments.keys()]);
  return [...ids]
    .map((id): HaVmSight => {
      const vm = view.vms.get(id)?.value;
      const assignment = view.assignments.get(id)?.value;
      return {
        id,
        name: vm?.name ?? id,
        wanted: vm?.wanted ?? 'stopped',
        priority: vm?.priority ?? 0,
        ...sightOf(assignment, named),
      };
    })
    .sort((a, b) => b.priority - a.priority || (a.name < b.name ? -1 : 1));
}

function sightOf(
  assignment: HaAssignment | undefined,
  named: (id: HostId) => { id: HostId; name: string },
): Omit<HaVmSight, 'id' | 'name' | 'wanted' | 'priority'> {
  if (assignment === undefined) return { state: 'waiting', why: 'No host has it.' };
  const { host, movingTo, epoch, state, why } = assignment;
  return {
    host: named(host),
    ...(movingTo === undefined ? {} : { movingTo: named(movingTo) }),
    epoch,
    state,
    why: sentence(why),
  };
}

/** As the leader would place them: by what hosts reported last. */
export function admissionUnder(view: HaView, facts: Pick<HaFacts, 'hosts'>) {
  const hosts = facts.hosts
    .filter(({ id, runsVms }) => runsVms && !view.maintenance.has(id))
    .map(({ id, name, freeMiB }) => ({
      id,
      name,
      freeMiB: view.reports.get(id)?.freeMemoryMiB ?? freeMiB,
    }));
  const vms = [...view.vms.values()].flatMap(({ value }) => {
    const assignment = view.assignments.get(value.id)?.value;
    return value.wanted === 'running' && assignment !== undefined && assignment.state !== 'ended'
      ? [{ ...value, host: assignment.host }]
      : [];
  });
  return admissionOf(hosts, vms);
}
