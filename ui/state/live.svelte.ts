/**
 * What the page knows of the cluster, kept fresh: every `hello` (first connection, or again after the engine was away)
 * reads the lists; then changes arrive one by one. What arrives while lists are read waits and is applied after them.
 * Only this module sets `cluster`.
 */
import type { EngineClient } from '../../engine/contract/client.ts';
import type { LiveMessage } from '../../engine/contract/events.ts';
import type { Job } from '../../engine/contract/jobs.ts';
import {
  applyMessages,
  type Cluster,
  emptyCluster,
  endedJobs,
  isActive,
  mergeEvents,
} from '../lib/cluster.ts';
import { type ErrorText, errorText, isLoggedOut } from '../lib/error-text.ts';
import { Stream } from './stream.svelte.ts';

/** Changes that arrive together are shown together; well under what a person notices. */
const gatherMs = 40;
/** No change falls between lists that are read after `hello`; if that does not come, they are read all the same. */
const helloWithinMs = 1000;
const pageSize = 500;
const keptOlderEvents = 5000;

export class Live {
  cluster = $state.raw<Cluster>(emptyCluster);
  loaded = $state(false);
  /** why the lists could not be read, unless nobody answered at all */
  problem = $state.raw<ErrorText | undefined>(undefined);
  readonly stream: Stream;

  readonly #api: EngineClient;
  readonly #onJobEnded: (job: Job) => void;
  #waiting: LiveMessage[] = [];
  #gather: ReturnType<typeof setTimeout> | undefined;
  #hello: ReturnType<typeof setTimeout> | undefined;
  #reading = false;
  #readAgain = false;
  #awaited = new Set<string>();

  constructor(api: EngineClient, onJobEnded: (job: Job) => void) {
    this.#api = api;
    this.#onJobEnded = onJobEnded;
    this.stream = new Stream({
      receive: (message) => this.take(message),
      answers: () => this.#answers(),
    });
  }

  get online(): boolean {
    return this.stream.connection.state !== 'away';
  }

  start(): void {
    this.stream.start();
    this.#hello = setTimeout(() => void this.#read(), helloWithinMs);
  }

  stop(): void {
    this.stream.stop();
    clearTimeout(this.#hello);
    clearTimeout(this.#gather);
    this.#gather = undefined;
    this.#waiting = [];
    this.#awaited.clear();
    this.cluster = emptyCluster;
    this.loaded = false;
    this.problem = undefined;
  }

  /** Tell when this job has ended, however short it was. */
  awaitJob(id: string): void {
    this.#awaited.add(id);
    this.#tellEnded(this.cluster.jobs.filter((job) => job.id === id && !isActive(job)));
  }

  /** A message from the stream, or what an answer just gave: there is no need to wait for its message. */
  take(message: LiveMessage): void {
    if (message.kind === 'hello') {
      clearTimeout(this.#hello);
      void this.#read();
      return;
    }
    this.#waiting.push(message);
    this.#gather ??= setTimeout(() => this.#flush(), gatherMs);
  }

  /** True when there are still older ones. */
  async readOlderEvents(): Promise<boolean> {
    const oldest = this.cluster.events.at(-1);
    const after = oldest === undefined ? undefined : String(oldest.id);
    const page = await this.#api.call('listEvents', { query: { limit: 100, after } });
    this.cluster = { ...this.cluster, events: mergeEvents(this.cluster.events, page.items, keptOlderEvents) };
    return page.next !== undefined;
  }

  async #answers(): Promise<boolean> {
    try {
      this.cluster = { ...this.cluster, overview: await this.#api.call('getOverview') };
      this.problem = undefined;
      return true;
    } catch (error) {
      this.#note(error);
      return isLoggedOut(error);
    }
  }

  #note(error: unknown): void {
    const text = errorText(error);
    this.problem = text.code === 'engine.unreachable' || isLoggedOut(error) ? undefined : text;
  }

  #flush(): void {
    clearTimeout(this.#gather);
    this.#gather = undefined;
    if (this.#reading) return;
    const messages = this.#waiting;
    this.#waiting = [];
    const before = this.cluster;
    this.cluster = applyMessages(before, messages);
    this.#tellEnded([
      ...endedJobs(before.jobs, this.cluster.jobs),
      ...this.cluster.jobs.filter((job) => this.#awaited.has(job.id) && !isActive(job)),
    ]);
  }

  #tellEnded(jobs: readonly Job[]): void {
    for (const job of new Set(jobs)) {
      this.#awaited.delete(job.id);
      this.#onJobEnded(job);
    }
  }

  async #read(): Promise<void> {
    if (this.#reading) {
      this.#readAgain = true;
      return;
    }
    this.#reading = true;
    try {
      const before = this.cluster;
      this.cluster = await this.#readAll();
      this.loaded = true;
      this.problem = undefined;
      this.stream.healthy();
      this.#tellEnded(endedJobs(before.jobs, this.cluster.jobs));
    } catch (error) {
      this.#note(error);
      this.stream.broken();
    } finally {
      this.#reading = false;
      this.#flush();
      if (this.#readAgain) {
        this.#readAgain = false;
        void this.#read();
      }
    }
  }

  async #readAll(): Promise<Cluster> {
    const api = this.#api;
    const [overview, ha, hosts, vms, volumes, images, networks, jobs, events] = await Promise.all([
      api.call('getOverview'),
      api.call('getHa'),
      allPages((query) => api.call('listHosts', { query })),
      allPages((query) => api.call('listVms', { query })),
      allPages((query) => api.call('listVolumes', { query })),
      allPages((query) => api.call('listImages', { query })),
      api.call('listNetworks'),
      api.call('listJobs', { query: { limit: 100 } }),
      api.call('listEvents', { query: { limit: 100 } }),
    ]);
    return {
      overview,
      ha,
      hosts,
      vms,
      volumes,
      images,
      networks: networks.items,
      jobs: jobs.items,
      events: events.items,
    };
  }
}

async function allPages<T>(
  readPage: (query: {
    limit: number;
    after: string | undefined;
  }) => Promise<{ items: T[]; next?: string | undefined }>,
): Promise<T[]> {
  const items: T[] = [];
  let after: string | undefined;
  do {
    const page = await readPage({ limit: pageSize, after });
    items.push(...page.items);
    after = page.next;
  } while (after !== undefined);
  return items;
}
