import type {
  ClusterDocument,
  ClusterHost,
  ClusterNetwork,
  ClusterVolume,
} from '../../node/contract/cluster.ts';
import { clusterDocumentSchema } from '../../node/contract/cluster.ts';
import { AppError } from '../../node/contract/error.ts';
import { etcdKeys } from '../../node/contract/etcd.ts';
import { bridgeNameOf } from '../../node/contract/network.ts';
import type { StorePort } from '../etcd/store.ts';
import { subnetOf } from '../net/ipv4.ts';
import { etcdMembersOf, firstOf } from '../plan/model.ts';
import { identityOf, need, type StepContext, type StepWork } from './model.ts';
import { brickAddresses } from './storage.ts';

export function storeOf(context: StepContext): StorePort {
  const identity = identityOf(context);
  return context.env.store(
    etcdMembersOf(context.plan).map(({ id, name, address }) => ({ hostId: id, name, address, identity })),
  );
}

/** Everything that the hosts know together, as keys of the cluster store. */
export function clusterEntries(context: StepContext): [string, string][] {
  const { plan, open, env } = context;
  const at = env.now().toISOString();
  const document: ClusterDocument = {
    format: 1,
    generation: 1,
    id: plan.cluster.id,
    name: plan.cluster.name,
    formedAt: at,
    version: plan.version,
    cpuModel: plan.cpuModel,
    timeServers: plan.timeServers,
    engine: {
      spec: plan.engine.spec,
      address: plan.engine.address,
      hostName: plan.engine.hostName,
      names: plan.engine.names,
    },
  };
  const hosts: ClusterHost[] = plan.hosts.map((host) => ({
    id: host.id,
    name: host.name,
    role: host.role,
    address: host.address,
    storageAddress: host.storageAddress,
    etcdMember: host.etcdMember,
    joinedAt: at,
  }));
  const volumes: ClusterVolume[] = plan.volumes.map((volume) => ({
    name: volume.name,
    layout: volume.layout,
    forVms: volume.forVms,
    bricks: brickAddresses(context, volume),
  }));
  const networks: ClusterNetwork[] = firstOf(plan).networks.map(({ name, bridge, mtu, addressing }) => ({
    name,
    mtu,
    ...(bridge ? { bridge: bridgeNameOf(name) } : {}),
    ...(addressing.kind === 'static' ? { cidr: subnetOf(addressing.address) } : {}),
  }));
  return [
    [etcdKeys.cluster, JSON.stringify(document)],
    [etcdKeys.caCertificate, need(open.journal().authority, 'an authority')],
    [etcdKeys.caKey, need(open.secrets().authorityKey, "the authority's key")],
    ...hosts.map((host): [string, string] => [etcdKeys.host(host.id), JSON.stringify(host)]),
    ...volumes.map((volume): [string, string] => [etcdKeys.volume(volume.name), JSON.stringify(volume)]),
    ...networks.map((network): [string, string] => [etcdKeys.network(network.name), JSON.stringify(network)]),
  ];
}

/**
 * One transaction makes it a cluster: all of the document or nothing. After it the hosts are joined for good, and the
 * authority's key is the cluster's, not ours.
 */
export const declare: StepWork = {
  isDone: async (context) => isDeclared(context),
  run: async (context) => {
    const written = await storeOf(context).putAllOnce(etcdKeys.cluster, clusterEntries(context));
    if (!written && !(await isDeclared(context))) throw new Error('a cluster document is there and is not');
  },
  settle: ({ open }) =>
    open.changeSecrets((secrets) => {
      delete secrets.authorityKey;
      secrets.pairingCodes = {};
    }),
};

export async function isDeclared(context: StepContext): Promise<boolean> {
  const text = await storeOf(context).get(etcdKeys.cluster);
  if (text === undefined) return false;
  const { id, name } = clusterDocumentSchema.parse(JSON.parse(text));
  if (id === context.plan.cluster.id) return true;
  throw new AppError({
    code: 'cluster.other',
    family: 'conflict',
    message: `The cluster store of these hosts already holds another cluster, ${name}.`,
    remedy: 'Let the hosts leave that cluster first.',
  });
}
