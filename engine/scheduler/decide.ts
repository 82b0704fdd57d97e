import type { HostId } from '../../node/contract/ids.ts';
import type { Placement } from '../contract/vms.ts';

/** What a VM needs of its host. */
export type Needs = {
  cpus: number;
  memoryMiB: number;
  cpuModel: string;
  networks: string[];
  volumes: string[];
};

/** What the scheduler knows of a host. */
export type Candidate = {
  id: HostId;
  name: string;
  online: boolean;
  reason: string;
  threads: number;
  cpuBusyPercent: number;
  memoryTotalMiB: number;
  memoryAvailableMiB: number;
  /** memory of all VMs that are to run there, also of those that are only starting */
  committedMiB: number;
  /** that part of it which the host's own numbers do not show yet */
  comingMiB: number;
  vmCount: number;
  usableModels: readonly string[];
  /** networks whose bridge is there */
  networks: ReadonlySet<string>;
  /** volumes that are mounted and can be written to */
  volumes: ReadonlySet<string>;
  /** it takes no VMs now */
  inMaintenance?: boolean;
};

export type Options = {
  /** not these, and why */
  except?: ReadonlyMap<HostId, string>;
};

/** Kept free on each host for itself and for what QEMU needs besides the guest's memory. */
const hostReserveMiB = 512;
const perVmOverheadMiB = 96;

type Filter = (needs: Needs, host: Candidate) => string | undefined;

/** Each says why a host cannot have the VM, or nothing. These speak of what a host is, not of how it is now. */
const lasting: readonly Filter[] = [
  (needs, host) =>
    needs.cpus <= host.threads
      ? undefined
      : `It has ${host.threads} CPU threads; the VM wants ${needs.cpus}.`,
  (needs, host) =>
    needs.cpuModel === 'host' || host.usableModels.includes(needs.cpuModel)
      ? undefined
      : `Its CPU cannot be a ${needs.cpuModel}.`,
  (needs, host) =>
    missing(needs.networks, host.networks, (name) => `It is not connected to the network ${name}.`),
];
const filters: readonly Filter[] = [
  (_, host) =>
    host.online ? undefined : host.reason === '' ? 'It is not online.' : `It is not online: ${host.reason}`,
  (_, host) => (host.inMaintenance === true ? 'It is in maintenance.' : undefined),
  (needs, host) => {
    const free = freeMiB(host);
    const wanted = needs.memoryMiB + perVmOverheadMiB;
    return free >= wanted ? undefined : `It has ${gib(free)} of memory free; ${gib(wanted)} are needed.`;
  },
  ...lasting,
  (needs, host) => missing(needs.volumes, host.volumes, (name) => `The volume ${name} is not mounted there.`),
];

/** Where it may run at all, also when that host is not there now; what is not known of a host does not speak against it. */
export const mayEverRun = (needs: Needs, host: Candidate): boolean =>
  host.threads === 0 || lasting.every((filter) => filter(needs, host) === undefined);

type Weigher = (needs: Needs, host: Candidate) => { score: number; why: string };

/** Together 0 to 100; the memory that stays free weighs most, because it is what cannot be shared. */
const weighers: readonly Weigher[] = [
  (needs, host) => {
    const left = freeMiB(host) - needs.memoryMiB;
    return {
      score: 60 * share(left, host.memoryTotalMiB),
      why: `${gib(Math.max(0, left))} of memory would stay free`,
    };
  },
  (_, host) => ({
    score: 30 * share(100 - host.cpuBusyPercent, 100),
    why: `CPUs ${Math.round(host.cpuBusyPercent)} % busy`,
  }),
  (_, host) => ({
    score: 10 / (1 + host.vmCount),
    why: host.vmCount === 1 ? 'runs 1 VM' : `runs ${host.vmCount} VMs`,
  }),
];

/** Every host with what speaks for or against it; the best first. No clock, no chance: the same input, the same order. */
export function place(needs: Needs, hosts: readonly Candidate[], options: Options = {}): Placement['hosts'] {
  return hosts
    .map((host) => {
      const against = [
        options.except?.get(host.id),
        ...(host.online ? filters : filters.slice(0, 1)).map((filter) => filter(needs, host)),
      ].filter((reason) => reason !== undefined);
      const weighed = weighers.map((weigher) => weigher(needs, host));
      const fits = against.length === 0;
      return {
        id: host.id,
        name: host.name,
        fits,
        score: fits ? Math.round(weighed.reduce((sum, { score }) => sum + score, 0) * 10) / 10 : 0,
        reasons: fits ? weighed.map(({ why }) => why) : against,
      };
    })
    .sort((a, b) => Number(b.fits) - Number(a.fits) || b.score - a.score || (a.name < b.name ? -1 : 1));
}

/** What the host says is available, less what was promised and does not show yet. */
function freeMiB(host: Candidate): number {
  const shown = host.memoryAvailableMiB - host.comingMiB;
  const promised = host.memoryTotalMiB - host.committedMiB;
  return Math.max(0, Math.floor(Math.min(shown, promised) - hostReserveMiB));
}

function missing(
  wanted: readonly string[],
  there: ReadonlySet<string>,
  sentence: (name: string) => string,
): string | undefined {
  const name = wanted.find((each) => !there.has(each));
  return name === undefined ? undefined : sentence(name);
}

const share = (part: number, whole: number): number =>
  whole <= 0 ? 0 : Math.min(1, Math.max(0, part / whole));
const gib = (mib: number): string =>
  mib < 1024 ? `${Math.round(mib)} MiB` : `${(mib / 1024).toFixed(1)} GiB`;
