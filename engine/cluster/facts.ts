import {
  type ClusterDocument,
  clusterDocumentSchema,
  clusterHostSchema,
} from '../../node/contract/cluster.ts';
import { etcdKeys } from '../../node/contract/etcd.ts';
import type { HostId } from '../../node/contract/ids.ts';
import type { Hosts } from '../hosts/hosts.ts';
import type { ClusterStore } from './port.ts';
import type { NetworkRecord, VolumeRecord } from './store.ts';

/** What the engine knows of the cluster besides its hosts: from the database, and from the cluster's store. */
export class ClusterFacts {
  readonly networks: readonly NetworkRecord[];
  readonly volumes: readonly VolumeRecord[];
  readonly #store: ClusterStore;
  readonly #hosts: Hosts;
  #document: ClusterDocument | undefined;
  readonly #witnesses = new Set<HostId>();
  readonly #etcd = new Map<HostId, { member: boolean; healthy: boolean }>();

  constructor(env: {
    networks: readonly NetworkRecord[];
    volumes: readonly VolumeRecord[];
    store: ClusterStore;
    hosts: Hosts;
  }) {
    this.networks = env.networks;
    this.volumes = env.volumes;
    this.#store = env.store;
    this.#hosts = env.hosts;
  }

  /** The CPU that VMs see, so that each host can take them from each other; `host` while it is not known. */
  cpuModel = (): string => this.#document?.cpuModel ?? 'host';
  /** A witness keeps the majority and runs no VMs. */
  isWitness = (id: HostId): boolean => this.#witnesses.has(id);

  etcd = (): Array<{ hostName: string; member: boolean; healthy: boolean }> =>
    this.#hosts.online().flatMap(({ record }) => {
      const status = this.#etcd.get(record.id);
      return status === undefined ? [] : [{ hostName: record.name, ...status }];
    });

  async readStore(): Promise<string> {
    const text = await this.#store.get(etcdKeys.cluster);
    if (text === undefined) return 'the store holds no cluster document';
    this.#document = clusterDocumentSchema.parse(JSON.parse(text));
    for (const { record } of this.#hosts.all()) {
      const host = await this.#store.get(etcdKeys.host(record.id));
      if (host === undefined) continue;
      const { role } = clusterHostSchema.parse(JSON.parse(host));
      if (role === 'arbiter') this.#witnesses.add(record.id);
      else this.#witnesses.delete(record.id);
    }
    return `CPU model ${this.#document.cpuModel}, ${this.#witnesses.size} witnesses`;
  }

  async askEtcd(signal: AbortSignal): Promise<string> {
    const online = this.#hosts.online();
    const answers = await Promise.allSettled(
      online.map(async ({ record, link }) => {
        const status = await link.client.call('getEtcd', {}, { signal });
        this.#etcd.set(record.id, { member: status.configured, healthy: status.healthy });
      }),
    );
    for (const [index, answer] of answers.entries()) {
      const id = online[index]?.record.id;
      if (answer.status === 'rejected' && id !== undefined) this.#etcd.delete(id);
    }
    return `${[...this.#etcd.values()].filter(({ healthy }) => healthy).length} healthy members`;
  }
}
