import { AppError } from '../../node/contract/error.ts';
import type { GlusterVolumePut, VolumeStatus } from '../../node/contract/storage.ts';
import { firstOf, type PlanHost, type PlanVolume, runnersOf } from '../plan/model.ts';
import { agentOf, late, need, type StepContext, type StepWork, until } from './model.ts';

const peersMs = 60_000;
const healthyMs = 90_000;

const storageAddressesOf = ({ plan }: StepContext): string[] => plan.hosts.map((host) => host.storageAddress);

const allConnected = async (context: StepContext): Promise<true | undefined> => {
  const peers = await agentOf(context, firstOf(context.plan)).call('getPeers');
  const connected = peers.filter((peer) => peer.connected);
  return connected.length >= context.plan.hosts.length - 1 ? true : undefined;
};

export const peers: StepWork = {
  isDone: async (context) => (await allConnected(context)) === true,
  run: async (context) => {
    const { plan } = context;
    const first = agentOf(context, firstOf(plan));
    // A host serves storage from its first such request on: naming only itself, it is ready to be found by the others.
    await Promise.all(
      plan.hosts
        .filter((host) => !host.first)
        .map((host) =>
          agentOf(context, host).call('putPeers', { body: { addresses: [host.storageAddress] } }),
        ),
    );
    await first.call('putPeers', { body: { addresses: storageAddressesOf(context) } });
    await until(
      context,
      {
        deadlineMs: peersMs,
        otherwise: late(
          'gluster.peers-apart',
          'The hosts do not all know each other for storage.',
          'See "gluster peer status" on the first host.',
        ),
      },
      () => allConnected(context),
    );
  },
};

export const bricks: StepWork = {
  run: async (context) => {
    const made = await Promise.all(
      context.plan.hosts.map(async (host) => {
        const paths: Record<string, string> = {};
        for (const { name, place } of host.bricks) {
          const call = { params: { name }, body: { generation: 1, place } };
          paths[name] = (await agentOf(context, host).call('putBrick', call)).path;
        }
        return [host.name, paths] as const;
      }),
    );
    await context.open.change({ bricks: Object.fromEntries(made) });
  },
};

export const brickAddresses = (context: StepContext, volume: PlanVolume): GlusterVolumePut['bricks'] =>
  volume.bricks.map(({ host: name, brick }) => {
    const host = need(
      context.plan.hosts.find((each) => each.name === name),
      `the host ${name}`,
    );
    const path = need(context.open.journal().bricks[name]?.[brick], `the place of ${name}/${brick}`);
    return { address: host.storageAddress, path: `${path}/${volume.name}` };
  });

const subjectVolume = ({ plan, step }: StepContext): PlanVolume =>
  need(
    plan.volumes.find((volume) => volume.name === step.subject),
    `the volume of ${step.id}`,
  );

export const volume: StepWork = {
  isDone: async (context) => {
    const { name } = subjectVolume(context);
    const present = (await agentOf(context, firstOf(context.plan)).call('getVolumes')).find(
      (each) => each.name === name,
    );
    if (present === undefined) return false;
    const wanted = brickAddresses(context, subjectVolume(context));
    const same =
      present.bricks.length === wanted.length &&
      wanted.every(({ address, path }, index) => {
        const brick = present.bricks[index];
        return brick?.address === address && brick.path === path && brick.online;
      });
    // Its options may be half set: only the one who makes it knows, so it is made again unless it looks whole.
    return same && present.state === 'healthy' && present.mounted;
  },
  run: async (context) => {
    const planned = subjectVolume(context);
    await agentOf(context, firstOf(context.plan)).call('putVolume', {
      params: { name: planned.name },
      body: {
        generation: 1,
        layout: { kind: planned.layout },
        bricks: brickAddresses(context, planned),
        allowedAddresses: storageAddressesOf(context),
      },
    });
  },
  undo: async (context) => {
    // Also when it is not listed: a run that was killed may have its making still under way.
    const { name } = subjectVolume(context);
    await agentOf(context, firstOf(context.plan)).call('deleteVolume', { params: { name } });
  },
};

const complaintOf = (host: PlanHost, name: string, status: VolumeStatus | undefined): string[] => {
  if (status === undefined) return [`${host.name} does not know the volume ${name}.`];
  if (!status.mounted) return [`${host.name} has not mounted the volume ${name}.`];
  return status.state === 'healthy'
    ? []
    : [`On ${host.name} the volume ${name} is ${status.state}: ${status.summary}`];
};

/** Where a volume is not as it must be, each in a sentence; none: all hosts see all volumes whole. */
export async function sickVolumes(context: StepContext): Promise<string[]> {
  const { plan } = context;
  const seen = await Promise.all(
    runnersOf(plan).map(async (host) => ({ host, volumes: await agentOf(context, host).call('getVolumes') })),
  );
  return seen.flatMap(({ host, volumes }) =>
    plan.volumes.flatMap(({ name }) =>
      complaintOf(
        host,
        name,
        volumes.find((each) => each.name === name),
      ),
    ),
  );
}

/** Mounts all, or looks anew where it is mounted: unlike the list of volumes, the answer is of now. */
async function mountAll(context: StepContext): Promise<string[]> {
  const { plan } = context;
  const seen = await Promise.all(
    runnersOf(plan).map(async (host) => {
      const others = plan.hosts.filter((other) => other !== host).map((other) => other.storageAddress);
      const body = { generation: 1, servers: [host.storageAddress, ...others] };
      const agent = agentOf(context, host);
      const found: string[] = [];
      for (const { name } of plan.volumes)
        found.push(...complaintOf(host, name, await agent.call('putMount', { params: { name }, body })));
      return found;
    }),
  );
  return seen.flat();
}

export const mounts: StepWork = {
  isDone: async (context) => (await sickVolumes(context)).length === 0,
  run: async (context) => {
    let sick: string[] = [];
    await until(
      context,
      {
        deadlineMs: healthyMs,
        everyMs: 1_000,
        otherwise: () =>
          new AppError({
            code: 'volume.unhealthy',
            family: 'unavailable',
            message: sick.join(' '),
            remedy: 'See "gluster volume status" and the logs in /var/log/glusterfs on these hosts.',
          }),
      },
      async () => {
        sick = await mountAll(context);
        if (sick.length > 0) context.detail(sick[0] ?? '');
        return sick.length === 0 ? true : undefined;
      },
    );
  },
  undo: async (context) => {
    const { plan } = context;
    await Promise.all(
      runnersOf(plan).map(async (host) => {
        for (const { name } of plan.volumes)
          await agentOf(context, host).call('deleteMount', { params: { name } });
      }),
    );
  },
};
