import type { HostId, VmId } from '../../node/contract/ids.ts';
import type { ClusterFacts } from '../cluster/facts.ts';
import type { LiveMessage } from '../contract/events.ts';
import type { HaState } from '../contract/ha.ts';
import type { Overview } from '../contract/health.ts';
import type { Host } from '../contract/hosts.ts';
import type { Volume } from '../contract/storage.ts';
import type { Vm } from '../contract/vms.ts';
import type { RecipientKeys } from '../fence/view.ts';
import type { HaMirror } from '../ha/mirror.ts';
import { haStateOf } from '../ha/state.ts';
import { type HostEntry, type Hosts, isMember } from '../hosts/hosts.ts';
import { hostView } from '../hosts/view.ts';
import type { Hub } from '../live/hub.ts';
import { maintenanceKind } from '../maintenance/job.ts';
import { overviewOf } from '../overview/decide.ts';
import type { Candidate } from '../scheduler/decide.ts';
import { mergeVolume, type VolumeSight } from '../storage/volumes.ts';
import { candidatesOf } from '../vms/candidates.ts';
import type { Catalog } from '../vms/catalog.ts';
import { hostKey, vmKey } from '../vms/env.ts';
import type { VmRecord } from '../vms/model.ts';
import type { Reconciler } from '../vms/reconcile.ts';
import { stateOf, type VmSight, vmView } from '../vms/view.ts';

export type WorldEnv = {
  hosts: Hosts;
  catalog: Catalog;
  facts: ClusterFacts;
  hub: Hub;
  mirror: HaMirror;
  recipientKeys(): RecipientKeys;
  jobOn(lock: string): { id: string; kind: string } | undefined;
  strays: Reconciler['strays'];
  twice: Reconciler['twice'];
};

/** What the API shows, made from what is recorded, what hosts report and what jobs are doing; and told when it changes. */
export class World {
  readonly #env: WorldEnv;

  constructor(env: WorldEnv) {
    this.#env = env;
  }

  vm = (record: VmRecord): Vm => vmView(record, this.#sight(record));

  #sight(record: VmRecord): VmSight {
    const { current } = this.#env.mirror.state();
    const { assignments, vms } = this.#env.mirror.view();
    const assignment = current ? assignments.get(record.id)?.value : undefined;
    // Where HA has it is where it is; the record follows when no job is at work on it.
    const hostId = record.hostId === null ? null : (assignment?.host ?? record.hostId);
    const entry = hostId === null ? undefined : this.#env.hosts.get(hostId);
    return {
      ha:
        current && vms.get(record.id)?.value.wanted === 'running'
          ? { isGiven: assignment?.state === 'given', why: assignment?.why ?? '' }
          : undefined,
      host:
        entry === undefined
          ? undefined
          : {
              id: entry.record.id,
              name: entry.record.name,
              state: entry.state,
              reason: entry.reason,
              seen: entry.picture !== undefined,
            },
      status: entry?.picture?.vms.get(record.id),
      usage: entry?.picture?.usage.get(record.id),
      job: this.#env.jobOn(vmKey(record.id)),
    };
  }

  host = (entry: HostEntry): Host => hostView(entry, this.#maintenance(entry.record.id));

  #maintenance(id: HostId): Host['maintenance'] {
    const kept = this.#env.mirror.view().maintenance.get(id);
    if (kept === undefined) return undefined;
    const isMoving = this.#env.jobOn(hostKey(id))?.kind === maintenanceKind;
    const { by, since, reason } = kept;
    return { state: isMoving ? 'moving' : 'ready', by, since, reason };
  }

  candidates = (): Candidate[] => {
    const { hosts, catalog, facts, mirror } = this.#env;
    const { maintenance } = mirror.view();
    return candidatesOf(
      hosts.all().filter(({ record }) => !facts.isWitness(record.id)),
      catalog.all(),
      facts.networks,
    ).map((host) => (maintenance.has(host.id) ? { ...host, inMaintenance: true } : host));
  };

  volume = (name: string): Volume | undefined => {
    const { hosts, facts } = this.#env;
    const sights = hosts.online().flatMap(({ record, picture }): VolumeSight[] => {
      const status = picture?.volumes.get(name);
      return status === undefined
        ? []
        : [{ hostName: record.name, storageAddress: record.storageAddress, status }];
    });
    const forVms = facts.volumes.find((each) => each.name === name)?.forVms ?? false;
    const nameOf = (address: string) =>
      hosts.all().find(({ record }) => record.storageAddress === address)?.record.name ?? address;
    return mergeVolume(name, forVms, sights, nameOf);
  };

  volumes = (): Volume[] => {
    const names = new Set(this.#env.facts.volumes.map(({ name }) => name));
    for (const { picture } of this.#env.hosts.online())
      for (const name of picture?.volumes.keys() ?? []) names.add(name);
    return [...names].sort().flatMap((name) => this.volume(name) ?? []);
  };

  haFacts = () => {
    const { hosts, facts, mirror } = this.#env;
    const { current, reason } = mirror.state();
    return {
      current,
      reason,
      hosts: hosts
        .all()
        .filter(isMember)
        .map(({ record, picture }) => ({
          id: record.id,
          name: record.name,
          runsVms: !facts.isWitness(record.id),
          freeMiB: picture?.load?.memoryAvailableMiB,
        }))
        .sort((a, b) => (a.name < b.name ? -1 : 1)),
      volumes: this.volumes(),
      recipientKeys: this.#env.recipientKeys(),
    };
  };
  ha = (): HaState => haStateOf(this.#env.mirror.view(), this.haFacts());

  /** Made of everything, so it is kept until something changes: many pages ask at once. */
  overview = (): Overview => {
    this.#overview ??= this.#makeOverview();
    return this.#overview;
  };

  #makeOverview(): Overview {
    const { hosts, catalog, facts, strays, twice } = this.#env;
    return overviewOf({
      hosts: hosts.all().map(this.host),
      volumes: this.volumes(),
      vms: [...catalog.all()].map((record) => ({
        id: record.id,
        name: record.name,
        hostId: record.hostId ?? undefined,
        isHa: record.haEnabled || record.isEngine,
        memoryMiB: record.hardware.memoryMiB,
        ...stateOf(record, this.#sight(record)),
      })),
      ha: this.ha(),
      etcd: facts.etcd(),
      strays: [...strays.values()].filter(({ told }) => told),
      twice: [...twice].map(([id, hostNames]) => ({
        id,
        name: catalog.get(id)?.name ?? '',
        hostNames,
      })),
    });
  }

  tellVm(id: VmId): void {
    const { hub, catalog } = this.#env;
    hub.publish(vmKey(id), (): LiveMessage => {
      const record = catalog.get(id);
      return record === undefined ? { kind: 'vm-gone', id } : { kind: 'vm', vm: this.vm(record) };
    });
    this.tellOverview();
  }
  tellHost(entry: HostEntry): void {
    this.#env.hub.publish(`host:${entry.record.id}`, () => ({ kind: 'host', host: this.host(entry) }));
    this.tellHa();
  }
  tellVolume(name: string): void {
    this.#env.hub.publish(`volume:${name}`, () => {
      const volume = this.volume(name);
      return volume === undefined ? undefined : { kind: 'volume', volume };
    });
    this.tellOverview();
  }

  /** Also made of everything, and told as seldom. */
  #haIsOld = true;
  tellHa(): void {
    this.#haIsOld = true;
    this.tellOverview();
  }

  /** Made of everything, so it is told by its loop, at most once a second, when something has changed. */
  #overviewIsOld = true;
  #overview: Overview | undefined;
  tellOverview(): void {
    this.#overviewIsOld = true;
    this.#overview = undefined;
  }
  flushOverview(): void {
    if (this.#haIsOld && this.#env.hub.watchers() > 0) {
      this.#haIsOld = false;
      this.#env.hub.publish('ha', () => ({ kind: 'ha', ha: this.ha() }));
    }
    if (!this.#overviewIsOld || this.#env.hub.watchers() === 0) return;
    this.#overviewIsOld = false;
    this.#env.hub.publish('overview', () => ({ kind: 'overview', overview: this.overview() }));
  }
}
