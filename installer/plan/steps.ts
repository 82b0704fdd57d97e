import type { Plan, Step } from './model.ts';

const count = (n: number, noun: string): string => (n === 1 ? `one ${noun}` : `${n} ${noun}s`);

/**
 * What is done, in order. Nothing that others rely on exists before `declare`: until then all can be undone. The seconds
 * are for the estimate of the time left alone.
 */
export function stepsOf(plan: Omit<Plan, 'steps'>): Step[] {
  const first = plan.hosts.find((host) => host.first);
  const others = plan.hosts.filter((host) => !host.first);
  const members = plan.hosts.filter((host) => host.etcdMember).length;
  const brickHosts = plan.hosts.filter((host) => host.bricks.length > 0).length;
  const runners = plan.hosts.filter((host) => host.role !== 'arbiter').length;
  const all = count(plan.hosts.length, 'host');
  const steps: Step[] = [
    { id: 'authority', kind: 'authority', title: "Make the cluster's certificates", seconds: 1 },
    {
      id: `join-${first?.name}`,
      kind: 'join',
      subject: first?.name ?? '',
      title: `Make ${first?.name} the first host`,
      seconds: 2,
    },
    ...others.map(
      (host): Step => ({
        id: `pair-${host.name}`,
        kind: 'pair',
        subject: host.name,
        title: `Pair with ${host.name}`,
        seconds: 3,
      }),
    ),
    { id: 'time', kind: 'time', title: `Keep the clocks of ${all} together`, seconds: 2 },
    ...plan.hosts.map(
      (host): Step => ({
        id: `network-${host.name}`,
        kind: 'network',
        subject: host.name,
        title: `Set up the networks of ${host.name}`,
        seconds: 5,
      }),
    ),
    ...(others.length === 0
      ? []
      : [{ id: 'reach', kind: 'reach', title: 'Try every way between the hosts', seconds: 4 } as const]),
    { id: 'etcd', kind: 'etcd', title: `Start the cluster store on ${count(members, 'host')}`, seconds: 6 },
    ...(others.length === 0
      ? []
      : [{ id: 'peers', kind: 'peers', title: `Bring ${all} together for storage`, seconds: 6 } as const]),
    { id: 'bricks', kind: 'bricks', title: `Prepare the disks of ${count(brickHosts, 'host')}`, seconds: 6 },
    ...plan.volumes.map(
      (volume): Step => ({
        id: `volume-${volume.name}`,
        kind: 'volume',
        subject: volume.name,
        title: `Make the volume ${volume.name}`,
        seconds: 6,
      }),
    ),
    { id: 'mounts', kind: 'mounts', title: `Mount the volumes on ${count(runners, 'host')}`, seconds: 5 },
    { id: 'declare', kind: 'declare', title: 'Declare the cluster formed', seconds: 1 },
    { id: 'engine-disks', kind: 'engine-disks', title: "Copy the engine's disks", seconds: 20 },
    { id: 'engine-seed', kind: 'engine-seed', title: "Write the engine's first configuration", seconds: 1 },
    { id: 'engine-start', kind: 'engine-start', title: 'Start the engine', seconds: 3 },
    ...(plan.images.length === 0
      ? []
      : [
          {
            id: 'images',
            kind: 'images',
            title: `Copy ${count(plan.images.length, 'guest image')}`,
            seconds: 3 * plan.images.length,
          } as const,
        ]),
    { id: 'engine-ready', kind: 'engine-ready', title: 'Wait for the engine to answer', seconds: 30 },
    { id: 'self-check', kind: 'self-check', title: 'Check the whole cluster', seconds: 10 },
    { id: 'tidy', kind: 'tidy', title: 'Remove what formation no longer needs', seconds: 1 },
  ];
  return steps;
}

/** From this step on, other hosts and the engine rely on the cluster: there is no undo any more. */
export const pointOfNoReturn = 'declare';
