import { AppError } from '../../node/contract/error.ts';
import { type HostNetwork, hostNetworkSchema, type NetworkStatus } from '../../node/contract/network.ts';
import { etcdMembersOf, type PlanHost } from '../plan/model.ts';
import { networkNames } from '../plan/plan.ts';
import { agentOf, late, type StepContext, type StepWork, subjectHost, until } from './model.ts';

const confirmWithinMs = 60_000;
const networkMs = 50_000;
const reachMs = 30_000;
const etcdMs = 90_000;

/** Time servers, or else each other. */
export const time: StepWork = {
  run: async (context) => {
    const { plan } = context;
    await Promise.all(
      plan.hosts.map((host) =>
        agentOf(context, host).call('putTime', {
          body: {
            servers: plan.timeServers,
            peers: plan.hosts.filter((other) => other !== host).map((other) => other.address),
          },
        }),
      ),
    );
  },
};

const asText = (networks: readonly HostNetwork[]): string =>
  JSON.stringify(
    networks
      .map((network) => hostNetworkSchema.parse(network))
      .toSorted((a, b) => a.name.localeCompare(b.name)),
  );

const isWanted = (status: NetworkStatus, host: PlanHost): boolean =>
  asText(status.networks) === asText(host.networks);

/** Applied, reached again over the new configuration, and only then confirmed: else the host goes back by itself. */
export const network: StepWork = {
  isDone: async (context) => {
    const host = subjectHost(context);
    const status = await agentOf(context, host).call('getNetwork');
    return status.state === 'confirmed' && isWanted(status, host);
  },
  run: async (context) => {
    const host = subjectHost(context);
    const agent = agentOf(context, host);
    const before = await agent.call('getNetwork');
    const waits = before.state === 'waiting-for-confirmation' && isWanted(before, host);
    const generation = waits ? before.generation : before.generation + 1;
    const body = { generation, networks: host.networks, confirmWithinMs };
    // The answer may be lost with the address that it would have come from.
    if (!waits)
      await agent.call('putNetwork', { body }).catch((thrown: unknown) => {
        if (!(thrown instanceof AppError) || thrown.family !== 'unavailable') throw thrown;
      });
    await until(
      context,
      {
        deadlineMs: networkMs,
        otherwise: late(
          'network.not-applied',
          `${host.name} does not have its new network configuration.`,
          'It has gone back to the old one by itself. Check the network part of the answers.',
        ),
      },
      async () => {
        const status = await agent.call('getNetwork');
        return status.generation === generation && isWanted(status, host) ? status : undefined;
      },
    );
    await agent.call('confirmNetwork', { body: { generation } });
  },
};

/** Every host tries every other on both networks, at full packet size, at the addresses that they keep. */
export const reach: StepWork = {
  run: async (context) => {
    const { plan } = context;
    const ways = plan.hosts.flatMap((host) =>
      host.networks.map((each) => ({
        host,
        network: each,
        from: addressOn(host, each.name),
        peers: plan.hosts.filter((other) => other !== host),
      })),
    );
    let wrong: string[] = [];
    await until(
      context,
      {
        deadlineMs: reachMs,
        everyMs: 1_000,
        otherwise: () =>
          new AppError({
            code: 'network.unreachable',
            family: 'unavailable',
            message: wrong.join(' '),
            remedy: 'Check cables, switch ports, VLANs and the MTU between these hosts.',
          }),
      },
      async () => {
        const found = await Promise.all(
          plan.hosts.map(async (host) => {
            const peers = ways
              .filter((way) => way.host === host)
              .flatMap(({ network: { name, mtu }, from, peers: others }) =>
                others.map((other) => ({ network: name, from, address: addressOn(other, name), mtu })),
              );
            return { host, report: await agentOf(context, host).call('preflight', { body: { peers } }) };
          }),
        );
        wrong = found.flatMap(({ host, report }) =>
          report.reach.flatMap((way) => {
            const other = plan.hosts.find((each) => addressOn(each, way.network) === way.address);
            const what = `${other?.name ?? way.address} on the network ${way.network}`;
            if (!way.reachable) return [`${host.name} cannot reach ${what}.`];
            return way.fullMtu ? [] : [`Large packets from ${host.name} do not arrive at ${what}.`];
          }),
        );
        return wrong.length === 0 ? true : undefined;
      },
    );
  },
};

const addressOn = (host: PlanHost, network: string): string =>
  network === networkNames.storage ? host.storageAddress : host.address;

/** All members start together: none is healthy before most of them run. */
export const etcd: StepWork = {
  isDone: async (context) => (await sickMembers(context)).length === 0,
  run: async (context) => {
    const { plan } = context;
    const members = etcdMembersOf(plan);
    await Promise.all(
      members.map((host) =>
        agentOf(context, host).call('putEtcd', {
          body: {
            generation: 1,
            name: host.name,
            address: host.address,
            members: members.map(({ name, address }) => ({ name, address })),
            initialState: 'new',
            clusterToken: plan.etcdToken,
            ...(host.fsyncP99Ms === undefined ? {} : { fsyncP99Ms: host.fsyncP99Ms }),
          },
        }),
      ),
    );
    let sick: string[] = [];
    await until(
      context,
      {
        deadlineMs: etcdMs,
        otherwise: () =>
          late(
            'etcd.unhealthy',
            `The cluster store is not well: ${sick.join(' ')}`,
            'See "journalctl -u etcd" on these hosts.',
          )(),
      },
      async () => {
        sick = await sickMembers(context);
        return sick.length === 0 ? true : undefined;
      },
    );
  },
};

async function sickMembers(context: StepContext): Promise<string[]> {
  const seen = await Promise.all(
    etcdMembersOf(context.plan).map(async (host) => ({
      host,
      status: await agentOf(context, host).call('getEtcd'),
    })),
  );
  return seen
    .filter(({ status }) => !status.healthy)
    .map(({ host, status }) => `${host.name}: ${status.reason}.`);
}
