import type { HostId } from '../../node/contract/ids.ts';
import type { HaState } from '../contract/ha.ts';
import type { Overview } from '../contract/health.ts';
import type { Host } from '../contract/hosts.ts';
import type { Volume } from '../contract/storage.ts';
import type { VmState } from '../contract/vms.ts';
import { admissionOf } from '../ha/admission.ts';

/** What the answer is made from; everything as the engine knows it now. */
export type Facts = {
  hosts: readonly Host[];
  volumes: readonly Volume[];
  vms: ReadonlyArray<{
    id: string;
    name: string;
    state: VmState;
    reason: string;
    hostId: HostId | undefined;
    isHa: boolean;
    memoryMiB: number;
  }>;
  /** per host that could be asked: whether it is a member of the cluster's store and healthy */
  etcd: ReadonlyArray<{ hostName: string; member: boolean; healthy: boolean }>;
  ha: Pick<HaState, 'armed' | 'why' | 'admission' | 'hosts' | 'unreadable'>;
  strays: ReadonlyArray<{ id: string; name: string; hostName: string }>;
  twice: ReadonlyArray<{ id: string; name: string; hostNames: readonly string[] }>;
};
type Problem = Overview['problems'][number];
type Answer = Overview['canLoseAHost'];

export function overviewOf(facts: Facts): Overview {
  const problems = [
    ...facts.twice.map(twiceProblem),
    ...facts.hosts.flatMap(hostProblem),
    ...facts.volumes.flatMap(volumeProblem),
    ...etcdProblems(facts),
    ...facts.vms.flatMap(vmProblem),
    ...facts.ha.hosts.flatMap(fenceProblems),
    ...unreadableProblems(facts.ha),
    ...versionProblems(facts),
    ...facts.strays.map(strayProblem),
  ].sort((a, b) => Number(b.severity === 'error') - Number(a.severity === 'error'));
  const state = problems.some(({ severity }) => severity === 'error')
    ? 'trouble'
    : problems.length > 0
      ? 'attention'
      : 'fine';
  const online = facts.hosts.filter((host) => host.state === 'online');
  const forVms = facts.volumes.filter((volume) => volume.forVms);
  const threads = sum(online.map(({ cpu }) => cpu.threads));
  return {
    state,
    headline: headlineOf(problems),
    canLoseAHost: canLoseAHost(facts),
    problems,
    hosts: { total: facts.hosts.length, online: online.length },
    vms: {
      total: facts.vms.length,
      running: facts.vms.filter((vm) => vm.state === 'running' || vm.state === 'migrating').length,
    },
    memory: {
      totalMiB: sum(online.map(({ memory }) => memory.totalMiB)),
      usedMiB: sum(online.map(({ memory }) => memory.totalMiB - memory.availableMiB)),
    },
    cpu: {
      threads,
      busyPercent:
        threads === 0 ? 0 : Math.round(sum(online.map(({ cpu }) => cpu.threads * cpu.busyPercent)) / threads),
    },
    storage: {
      totalMiB: sum(forVms.map(({ sizeMiB }) => sizeMiB)),
      usedMiB: sum(forVms.map(({ sizeMiB, freeMiB }) => sizeMiB - freeMiB)),
    },
  };
}

function headlineOf(problems: readonly Problem[]): string {
  const [first, ...others] = problems;
  if (first === undefined) return 'Everything is fine.';
  if (others.length === 0) return first.message;
  return `${first.message} And ${others.length} more ${others.length === 1 ? 'thing needs' : 'things need'} attention.`;
}

/** Long before it is needed. */
const fenceProblems = ({ id, name, fenceDevices }: HaState['hosts'][number]): Problem[] =>
  fenceDevices
    .filter(({ state }) => state === 'failed')
    .map(({ label, says }) => ({
      severity: 'warning',
      code: 'fence.failed',
      message: `The fence device of ${name} (${label}) does not answer. ${says}`,
      remedy: 'Look whether it is connected, and test it on the page of the host.',
      subject: { kind: 'host', id, name },
    }));

function unreadableProblems({ unreadable }: Pick<HaState, 'unreadable'>): Problem[] {
  const [first] = unreadable;
  if (first === undefined) return [];
  const what = unreadable.length === 1 ? 'A record' : `${unreadable.length} records`;
  return [
    {
      severity: 'warning',
      code: 'ha.unreadable-record',
      message: `${what} of high availability cannot be read; what ${unreadable.length === 1 ? 'it speaks' : 'they speak'} of is left as it is.`,
      remedy: 'The page of high availability names it, with what to do.',
      subject: { kind: 'engine', id: 'ha', name: 'High availability' },
    },
  ];
}

/** The first reason against it is the answer; "unknown" only while too little is known. */
export function canLoseAHost(facts: Facts): Answer {
  const no = (why: string): Answer => ({ answer: 'no', why });
  const members = facts.hosts.filter((host) => host.state !== 'joining');
  if (members.length === 0) return { answer: 'unknown', why: 'No host is known yet.' };
  if (members.length === 1) return no('There is only one host.');
  const away = members.find((host) => host.state === 'unreachable');
  if (away !== undefined) return no(`${away.name} is already missing.`);
  const connecting = members.find((host) => host.state === 'connecting');
  if (connecting !== undefined)
    return { answer: 'unknown', why: `The engine is still connecting to ${connecting.name}.` };
  return (
    storeSurvives(facts) ?? volumesSurvive(facts) ?? vmsSurvive(members, facts) ?? yes(members.length, facts)
  );
}

function yes(hosts: number, { vms, ha }: Facts): Answer {
  const kept = `Whichever of the ${hosts} hosts is lost, no data is, and`;
  if (!ha.armed)
    return {
      answer: 'yes',
      why: `${kept} the others have memory for its VMs. They do not start there by themselves: ${ha.why}`,
    };
  const without = vms.filter((vm) => !vm.isHa && vm.state !== 'off' && vm.state !== 'crashed').length;
  const rest =
    without === 0
      ? ''
      : ` ${without === 1 ? 'One VM runs' : `${without} VMs run`} without HA and would have to be started by hand.`;
  return { answer: 'yes', why: `${kept} its HA VMs start on the others by themselves.${rest}` };
}

function storeSurvives({ etcd, hosts }: Facts): Answer | undefined {
  const members = etcd.filter(({ member }) => member);
  const sick = members.find(({ healthy }) => !healthy);
  if (sick !== undefined)
    return { answer: 'no', why: `The cluster’s store (etcd) on ${sick.hostName} is not healthy.` };
  // As long as one has not told, how many members there are is not known.
  const told = new Set(etcd.map(({ hostName }) => hostName));
  const silent = hosts.filter((host) => host.state === 'online' && !told.has(host.name));
  if (members.length === 0 || silent.length > 0)
    return { answer: 'unknown', why: 'The hosts have not all told yet how the cluster’s store is.' };
  const majority = Math.floor(members.length / 2) + 1;
  if (members.length - 1 >= majority) return undefined;
  return {
    answer: 'no',
    why:
      members.length === 1
        ? `Only ${members[0]?.hostName ?? 'one host'} keeps the cluster’s store (etcd).`
        : `The cluster’s store (etcd) has ${members.length} members; losing one leaves no majority.`,
  };
}

function volumesSurvive({ volumes }: Facts): Answer | undefined {
  if (volumes.length === 0)
    return { answer: 'unknown', why: 'The hosts have not told yet how the volumes are.' };
  for (const volume of volumes) {
    if (volume.layout === 'single')
      return { answer: 'no', why: `The volume ${volume.name} has only one copy.` };
    if (volume.state === 'unknown')
      return { answer: 'unknown', why: `The state of the volume ${volume.name} is not known.` };
    if (volume.state !== 'healthy' || volume.healPending > 0)
      return {
        answer: 'no',
        why: `The volume ${volume.name} is not whole on all hosts now: ${volume.summary}`,
      };
  }
  return undefined;
}

/** Under HA its own answer, which speaks of HA VMs; else the same question about all VMs, for whoever starts them. */
function vmsSurvive(members: readonly Host[], { vms, ha }: Facts): Answer | undefined {
  const running = vms.filter((vm) => vm.state !== 'off' && vm.state !== 'crashed');
  const { answer, why } = ha.armed
    ? ha.admission
    : admissionOf(
        members.map(({ id, name, memory }) => ({ id, name, freeMiB: memory.availableMiB })),
        // The largest first: nothing says which is more important.
        running.flatMap(({ hostId, memoryMiB, ...vm }) =>
          hostId === undefined ? [] : [{ ...vm, memoryMiB, host: hostId, priority: memoryMiB }],
        ),
      );
  return answer === 'yes' ? undefined : { answer, why };
}

function hostProblem(host: Host): Problem[] {
  // That it is off is what maintenance is for.
  if (host.state !== 'unreachable' || host.maintenance !== undefined) return [];
  return [
    {
      severity: 'error',
      code: 'host.unreachable',
      message: `${host.name} cannot be reached.`,
      remedy: 'See whether it is switched on and connected to the management network.',
      subject: { kind: 'host', id: host.id, name: host.name },
    },
  ];
}

const volumeRemedies: Partial<Record<Volume['state'], string>> = {
  degraded: 'Bring the missing host or disk back; its copy is then healed by itself.',
  offline: 'Bring enough hosts back: with a majority of its copies it works again by itself.',
  'split-brain': 'Some files differ between copies and nobody knows which is right; choose a copy for each.',
};

function volumeProblem(volume: Volume): Problem[] {
  if (volume.state === 'healthy' || volume.state === 'unknown') return [];
  const remedy = volumeRemedies[volume.state];
  return [
    {
      severity: volume.state === 'offline' || volume.state === 'split-brain' ? 'error' : 'warning',
      code: `volume.${volume.state}`,
      message: `The volume ${volume.name} is ${volume.state === 'split-brain' ? 'in split-brain' : volume.state}: ${volume.summary}`,
      ...(remedy === undefined ? {} : { remedy }),
      subject: { kind: 'volume', id: volume.name, name: volume.name },
    },
  ];
}

function etcdProblems({ etcd, hosts }: Facts): Problem[] {
  return etcd
    .filter(({ member, healthy }) => member && !healthy)
    .map(({ hostName }) => ({
      severity: 'error' as const,
      code: 'etcd.unhealthy',
      message: `The cluster’s store (etcd) on ${hostName} is not healthy.`,
      subject: {
        kind: 'host' as const,
        id: hosts.find((host) => host.name === hostName)?.id ?? hostName,
        name: hostName,
      },
    }));
}

function vmProblem(vm: Facts['vms'][number]): Problem[] {
  if (vm.state !== 'crashed' && vm.state !== 'paused') return [];
  const message = vm.state === 'crashed' ? `${vm.name} has crashed` : `${vm.name} is paused`;
  return [
    {
      severity: 'warning',
      code: `vm.${vm.state}`,
      message: `${message}. ${vm.reason}`.trim(),
      remedy: vm.state === 'crashed' ? 'Start it again.' : 'Look at its host and its storage.',
      subject: { kind: 'vm', id: vm.id, name: vm.name },
    },
  ];
}

function versionProblems({ hosts }: Facts): Problem[] {
  const known = hosts.filter((host) => host.version !== '');
  const versions = new Set(known.map(({ version }) => version));
  const [newest] = [...versions].sort().reverse();
  if (versions.size < 2) return [];
  return known
    .filter(({ version }) => version !== newest)
    .map((host) => ({
      severity: 'warning' as const,
      code: 'host.other-version',
      message: `${host.name} runs version ${host.version}, others ${newest}.`,
      remedy: 'Update it.',
      subject: { kind: 'host' as const, id: host.id, name: host.name },
    }));
}

const strayProblem = (stray: Facts['strays'][number]): Problem => ({
  severity: 'warning',
  code: 'vm.unknown',
  message: `${stray.hostName} has a VM called ${stray.name} that is not known here.`,
  subject: { kind: 'vm', id: stray.id, name: stray.name },
});

const twiceProblem = (vm: Facts['twice'][number]): Problem => ({
  severity: 'error',
  code: 'vm.runs-twice',
  message: `${vm.name} is reported running on ${vm.hostNames.join(' and ')}.`,
  remedy: 'Stop one of them at once.',
  subject: { kind: 'vm', id: vm.id, name: vm.name },
});

const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0);
