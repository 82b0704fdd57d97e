import type { HostId } from '../../node/contract/ids.ts';
import type { HaAdmission } from '../contract/ha.ts';

/** What would happen to the HA VMs, should one host be lost now. */
export type AdmissionHost = {
  id: HostId;
  name: string;
  /** free for more VMs; undefined: not known */
  freeMiB: number | undefined;
};
export type AdmissionVm = {
  id: string;
  name: string;
  host: HostId;
  priority: number;
  memoryMiB: number;
  allowedHosts?: readonly HostId[] | undefined;
};

/** For each host: are its HA VMs placed into the free memory of the others, the most important first, as HA would? */
export function admissionOf(hosts: readonly AdmissionHost[], vms: readonly AdmissionVm[]): HaAdmission {
  if (hosts.length < 2)
    return {
      answer: hosts.length === 0 ? 'unknown' : 'no',
      why: hosts.length === 0 ? 'No host is known yet.' : 'There is only one host.',
      stayDown: [],
    };
  const silent = hosts.find(({ freeMiB }) => freeMiB === undefined);
  if (silent !== undefined)
    return {
      answer: 'unknown',
      why: `How much memory ${silent.name} has free is not known.`,
      stayDown: [],
    };
  const stayDown = hosts
    .map((lost) => ({ host: lost.name, vms: homeless(lost, hosts, vms) }))
    .filter((each) => each.vms.length > 0);
  const [first] = stayDown;
  if (first === undefined)
    return {
      answer: 'yes',
      why:
        vms.length === 0
          ? 'Any one host may be lost; no VM is kept running by HA.'
          : 'Any one host may be lost: its HA VMs find room on the others.',
      stayDown,
    };
  return {
    answer: 'no',
    why: `If ${first.host} is lost, ${listOf(first.vms)} would stay down: the others have too little memory for ${first.vms.length === 1 ? 'it' : 'them'}.`,
    stayDown,
  };
}

function homeless(
  lost: AdmissionHost,
  hosts: readonly AdmissionHost[],
  vms: readonly AdmissionVm[],
): string[] {
  const left = new Map(hosts.filter(({ id }) => id !== lost.id).map(({ id, freeMiB = 0 }) => [id, freeMiB]));
  return vms
    .filter(({ host }) => host === lost.id)
    .sort((a, b) => b.priority - a.priority || (a.id < b.id ? -1 : 1))
    .filter(({ memoryMiB, allowedHosts }) => {
      const [best] = [...left]
        .filter(([id, free]) => free >= memoryMiB && (allowedHosts?.includes(id) ?? true))
        .sort(([a, freeA], [b, freeB]) => freeB - freeA || (a < b ? -1 : 1));
      if (best !== undefined) left.set(best[0], best[1] - memoryMiB);
      return best === undefined;
    })
    .map(({ name }) => name);
}

const shown = 3;
const listOf = (names: readonly string[]): string => {
  if (names.length > shown) return `${names.slice(0, shown).join(', ')} and ${names.length - shown} more`;
  return names.length < 2 ? (names[0] ?? '') : `${names.slice(0, -1).join(', ')} and ${names.at(-1)}`;
};
