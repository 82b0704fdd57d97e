import type { ClusterHostRole } from '../../node/contract/cluster.ts';
import type { PlanVolume } from './model.ts';

export type LayoutHost = { name: string; arbiter: boolean; brickNames: readonly string[] };
export type Layout = {
  roles: ClusterHostRole[];
  etcdMembers: boolean[];
  volumes: PlanVolume[];
};

const copies = 3;
const mostEtcdMembers = 5;

/**
 * Who keeps what, by the number of hosts:
 *   1 full                 one brick, no copies                            etcd on 1
 *   2 full + 1 arbiter     two copies, the witness breaks ties             etcd on 3
 *   3, 6, 9, 12 full       three copies, in sets of three hosts            etcd on 3 (5 from five hosts on)
 *   others                 as the next smaller of 3, 6, 9; the last hosts run VMs and keep nothing
 * `engine` lies on the first set alone: it is small, and must depend on as few machines as can be. With several disks a
 * host, each disk makes a set with its mates on the other hosts.
 */
export function layOut(hosts: readonly LayoutHost[]): Layout {
  const full = hosts.filter((host) => !host.arbiter);
  const arbiter = hosts.find((host) => host.arbiter);
  const keepers = full.length < copies ? full : full.slice(0, full.length - (full.length % copies));
  const kind =
    arbiter !== undefined ? 'replica-2-arbiter' : keepers.length >= copies ? 'replica-3' : 'single';
  const roleOf = (host: LayoutHost): ClusterHostRole =>
    host.arbiter ? 'arbiter' : keepers.includes(host) ? 'full' : 'compute';

  const sets: PlanVolume['bricks'][] = [];
  const perSet = kind === 'single' ? 1 : kind === 'replica-2-arbiter' ? 2 : copies;
  for (let at = 0; at < keepers.length; at += perSet) {
    const members = keepers.slice(at, at + perSet);
    for (const [index] of (members[0]?.brickNames ?? []).entries())
      sets.push([
        ...members.map((host) => ({ host: host.name, brick: host.brickNames[index] ?? '' })),
        // One witness serves every set: its bricks hold names, not data.
        ...(arbiter === undefined
          ? []
          : [{ host: arbiter.name, brick: arbiter.brickNames[index] ?? arbiter.brickNames[0] ?? '' }]),
      ]);
  }
  const memberCount = hosts.length >= mostEtcdMembers ? mostEtcdMembers : hosts.length >= 3 ? 3 : 1;
  return {
    roles: hosts.map(roleOf),
    etcdMembers: hosts.map((_, index) => index < memberCount),
    volumes: [
      { name: 'engine', layout: kind, forVms: false, bricks: sets[0] ?? [] },
      { name: 'data', layout: kind, forVms: true, bricks: sets.flat() },
    ],
  };
}
