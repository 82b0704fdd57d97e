import type { HostId, VmId } from '../../node/contract/ids.ts';
import type { MaintenancePlan } from '../contract/hosts.ts';
import type { Volume } from '../contract/storage.ts';
import type { VmState } from '../contract/vms.ts';
import { type Candidate, type Needs, place } from '../scheduler/decide.ts';

/** What it is decided from; everything as the engine knows it now. */
export type PlanFacts = {
  host: { id: HostId; name: string };
  /** why HA's records cannot be changed now; undefined: they can */
  storeIsAway: string | undefined;
  hosts: ReadonlyArray<{ id: HostId; name: string; online: boolean; reason: string; isFenced: boolean }>;
  maintenance: ReadonlySet<HostId>;
  /** per host that answers: whether it is a member of the cluster's store and healthy */
  etcd: ReadonlyArray<{ hostName: string; member: boolean; healthy: boolean }>;
  volumes: readonly Volume[];
  candidates: readonly Candidate[];
  vms: readonly PlanVm[];
  /** VMs that run there and that the engine does not know */
  strays: readonly string[];
};
export type PlanVm = {
  id: VmId;
  name: string;
  state: VmState;
  /** undefined: nobody has told what it is made of */
  needs: Needs | undefined;
  allowedHosts: readonly HostId[] | undefined;
  isEngine: boolean;
};
export type Move = { id: VmId; name: string; to: { id: HostId; name: string } | undefined };

/** Where each VM would go, and all that speaks against switching this host off, at once. */
export function planOf(facts: PlanFacts): { moves: Move[]; against: string[] } {
  const { moves, against } = movesOf(facts);
  return { moves, against: [...aboutHost(facts), ...aboutStore(facts), ...aboutVolumes(facts), ...against] };
}

export const planView = ({ moves, against }: ReturnType<typeof planOf>): MaintenancePlan => ({
  moves: moves.map(({ id, name, to }) => ({ id, name, ...(to === undefined ? {} : { to: to.name }) })),
  against,
});

function aboutHost({ host, hosts, maintenance, storeIsAway, strays }: PlanFacts): string[] {
  const entry = hosts.find(({ id }) => id === host.id);
  const against: string[] = [];
  if (maintenance.has(host.id)) against.push(`${host.name} is in maintenance already.`);
  if (entry?.online !== true)
    against.push(
      `${host.name} is not online, so nothing can be moved away from it. ${entry?.reason ?? ''}`.trim(),
    );
  if (hosts.length < 2) against.push(`${host.name} is the only host.`);
  if (storeIsAway !== undefined) against.push(storeIsAway);
  for (const { name } of hosts.filter(({ isFenced }) => isFenced))
    against.push(`HA is at work on ${name}, which is cut off from the storage.`);
  for (const name of strays)
    against.push(`${host.name} runs a VM called ${name} that the engine does not know and cannot move.`);
  return against;
}

/** Hosts that are off, or may be switched off at any moment because people were told that they may be. */
const awayOf = ({ host, hosts, maintenance }: PlanFacts) =>
  hosts.filter(({ id, online }) => id !== host.id && (!online || maintenance.has(id)));

function aboutStore(facts: PlanFacts): string[] {
  const { etcd, host, hosts } = facts;
  const isMember = etcd.some(({ hostName, member }) => hostName === host.name && member);
  if (!isMember || hosts.length < 2) return [];
  const away = awayOf(facts);
  // One that does not answer may be a member.
  const silent = away.filter(({ name }) => !etcd.some(({ hostName }) => hostName === name));
  const members = etcd.filter(({ member }) => member);
  const count = members.length + silent.length;
  const left = members.filter(
    ({ hostName, healthy }) =>
      healthy && hostName !== host.name && !away.some(({ name }) => name === hostName),
  ).length;
  if (left > count / 2) return [];
  const missing = away.map(({ name }) => name).join(', ');
  const because = missing === '' ? '' : ` (${missing} is away or in maintenance)`;
  return [
    `Without ${host.name} only ${left} of ${count} members of the cluster’s store would be left${because}: that is no majority.`,
  ];
}

const replicas: Record<string, number> = { 'replica-3': 3, 'replica-2-arbiter': 3 };

function aboutVolumes(facts: PlanFacts): string[] {
  const { host, volumes, hosts } = facts;
  const away = new Set(awayOf(facts).map(({ name }) => name));
  if (hosts.length < 2) return [];
  return volumes.flatMap((volume): string[] => {
    const size = replicas[volume.layout] ?? 1;
    const sets = [];
    for (let at = 0; at < volume.bricks.length; at += size) sets.push(volume.bricks.slice(at, at + size));
    const touched = sets.filter((bricks) => bricks.some((brick) => brick.host === host.name));
    if (touched.length === 0) return [];
    const against: string[] = [];
    if (volume.healPending > 0)
      against.push(
        `The volume ${volume.name} is still healing: ${volume.healPending} files are not whole everywhere.`,
      );
    if (volume.splitBrain > 0) against.push(`The volume ${volume.name} has files in split brain.`);
    const breaks = touched.some((bricks) => {
      const left = bricks.filter(
        (brick) => brick.online && brick.host !== host.name && !away.has(brick.host),
      );
      return left.length <= bricks.length / 2;
    });
    if (breaks)
      against.push(
        `Without ${host.name} the volume ${volume.name} could not be written: too few of its copies would be left.`,
      );
    return against;
  });
}

/** One after another, the engine's own VM last: each is promised its room before the next one is placed. */
function movesOf({ host, vms, candidates, hosts }: PlanFacts): { moves: Move[]; against: string[] } {
  const moves: Move[] = [];
  const against: string[] = [];
  let rest: Candidate[] = candidates.filter(({ id }) => id !== host.id);
  for (const vm of inOrder(vms)) {
    if (vm.state === 'paused' || vm.state === 'unknown') {
      against.push(`${vm.name} is ${vm.state} and cannot be moved.`);
      moves.push({ id: vm.id, name: vm.name, to: undefined });
      continue;
    }
    const to = vm.needs === undefined ? undefined : targetOf(vm, vm.needs, rest);
    moves.push({ id: vm.id, name: vm.name, to });
    if (to === undefined) {
      const why =
        vm.needs === undefined
          ? 'The cluster’s store does not say what it is made of.'
          : place(vm.needs, rest, { except: notAllowed(vm, rest) })
              .map(({ name, reasons }) => `${name}: ${reasons.join(' ')}`)
              .join(' ') || (hosts.length < 2 ? '' : 'There is no other host that runs VMs.');
      against.push(`${vm.name} fits on no other host. ${why}`.trim());
      continue;
    }
    const memoryMiB = vm.needs?.memoryMiB ?? 0;
    rest = rest.map((one) =>
      one.id === to.id
        ? {
            ...one,
            committedMiB: one.committedMiB + memoryMiB,
            comingMiB: one.comingMiB + memoryMiB,
            vmCount: one.vmCount + 1,
          }
        : one,
    );
  }
  return { moves, against };
}

/** Those that go first need their place most; the engine itself last, so that what it orders is done by then. */
export const inOrder = <Vm extends Pick<PlanVm, 'isEngine' | 'name'> & { needs: Needs | undefined }>(
  vms: readonly Vm[],
): Vm[] =>
  [...vms].sort(
    (a, b) =>
      Number(a.isEngine) - Number(b.isEngine) ||
      (b.needs?.memoryMiB ?? 0) - (a.needs?.memoryMiB ?? 0) ||
      (a.name < b.name ? -1 : 1),
  );

const notAllowed = (vm: PlanVm, candidates: readonly Candidate[]): Map<HostId, string> =>
  new Map(
    candidates
      .filter(({ id }) => vm.allowedHosts?.includes(id) === false)
      .map(({ id }) => [id, 'HA may not run it there.']),
  );

export function targetOf(
  vm: PlanVm,
  needs: Needs,
  candidates: readonly Candidate[],
): { id: HostId; name: string } | undefined {
  const [best] = place(needs, candidates, { except: notAllowed(vm, candidates) });
  return best?.fits === true ? { id: best.id, name: best.name } : undefined;
}
