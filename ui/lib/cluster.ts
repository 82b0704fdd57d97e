/**
 * What the page knows of the cluster, and how a live message changes it: pure. Each message is the whole new state of one
 * thing, so messages that are older than a list just read do no lasting harm: a newer one follows.
 */
import type { Event, LiveMessage } from '../../engine/contract/events.ts';
import type { HaState } from '../../engine/contract/ha.ts';
import type { Overview } from '../../engine/contract/health.ts';
import type { Host } from '../../engine/contract/hosts.ts';
import type { Job } from '../../engine/contract/jobs.ts';
import type { Image, Network, Volume } from '../../engine/contract/storage.ts';
import type { Vm } from '../../engine/contract/vms.ts';

export type Cluster = {
  overview: Overview | undefined;
  ha: HaState | undefined;
  hosts: readonly Host[];
  vms: readonly Vm[];
  volumes: readonly Volume[];
  images: readonly Image[];
  networks: readonly Network[];
  /** newest first */
  jobs: readonly Job[];
  /** newest first */
  events: readonly Event[];
};

export const emptyCluster: Cluster = {
  overview: undefined,
  ha: undefined,
  hosts: [],
  vms: [],
  volumes: [],
  images: [],
  networks: [],
  jobs: [],
  events: [],
};

const keptEvents = 500;
const keptJobs = 200;

/** Applies a batch in order; what no message touched stays the same object. */
export function applyMessages(cluster: Cluster, messages: readonly LiveMessage[]): Cluster {
  if (messages.length === 0) return cluster;
  const next = { ...cluster };
  const vms = new Changes(cluster.vms, (vm) => vm.id);
  const hosts = new Changes(cluster.hosts, (host) => host.id);
  const volumes = new Changes(cluster.volumes, (volume) => volume.name);
  const images = new Changes(cluster.images, (image) => image.id as string);
  const jobs = new Changes(cluster.jobs, (job) => job.id);
  const events: Event[] = [];
  for (const message of messages) {
    switch (message.kind) {
      case 'hello':
        break;
      case 'vm':
        vms.put(message.vm);
        break;
      case 'vm-gone':
        vms.remove(message.id);
        break;
      case 'host':
        hosts.put(message.host);
        break;
      case 'volume':
        volumes.put(message.volume);
        break;
      case 'image':
        images.put(message.image);
        break;
      case 'image-gone':
        images.remove(message.id);
        break;
      case 'job':
        jobs.put(message.job);
        break;
      case 'event':
        events.push(message.event);
        break;
      case 'overview':
        next.overview = message.overview;
        break;
      case 'ha':
        next.ha = message.ha;
        break;
    }
  }
  next.vms = vms.result();
  next.hosts = hosts.result();
  next.volumes = volumes.result();
  next.images = images.result();
  next.jobs = newestFirst(jobs.result(), cluster.jobs);
  if (events.length > 0) next.events = mergeEvents(cluster.events, events);
  return next;
}

/** Events by id, newest first, each once: live ones and pages that were read meet here. */
export function mergeEvents(known: readonly Event[], more: readonly Event[], keep = keptEvents): Event[] {
  const byId = new Map(known.map((event) => [event.id, event]));
  for (const event of more) byId.set(event.id, event);
  return [...byId.values()].sort((a, b) => b.id - a.id).slice(0, keep);
}

export const isActive = (job: Job): boolean =>
  job.state === 'queued' || job.state === 'running' || job.state === 'cancelling' || job.state === 'undoing';

/** Jobs that were active in `before` (or unknown there) and have ended in `after`. */
export function endedJobs(before: readonly Job[], after: readonly Job[]): Job[] {
  if (before === after) return [];
  const active = new Set(before.filter(isActive).map((job) => job.id));
  return after.filter((job) => !isActive(job) && active.has(job.id));
}

function newestFirst(jobs: readonly Job[], before: readonly Job[]): readonly Job[] {
  if (jobs === before) return before;
  return [...jobs].sort((a, b) => b.createdAt.localeCompare(a.createdAt)).slice(0, keptJobs);
}

class Changes<T> {
  #items: Map<string, T> | undefined;
  readonly #before: readonly T[];
  readonly #keyOf: (item: T) => string;

  constructor(before: readonly T[], keyOf: (item: T) => string) {
    this.#before = before;
    this.#keyOf = keyOf;
  }

  #map(): Map<string, T> {
    this.#items ??= new Map(this.#before.map((item) => [this.#keyOf(item), item]));
    return this.#items;
  }
  put(item: T): void {
    this.#map().set(this.#keyOf(item), item);
  }
  remove(key: string): void {
    this.#map().delete(key);
  }
  result(): readonly T[] {
    return this.#items === undefined ? this.#before : [...this.#items.values()];
  }
}
