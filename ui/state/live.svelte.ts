/**
 * What the page knows of the cluster, kept fresh: lists are read once, then changes arrive as server-sent events. Every
 * `hello` (first connection, or again after the engine was away) reads the lists anew; what arrives meanwhile waits.
 * Only this module sets `cluster` and `connection`.
 */
import type { EngineClient } from '../../engine/contract/client.ts';
import { type LiveMessage, liveMessageSchema } from '../../engine/contract/events.ts';
import type { Job } from '../../engine/contract/jobs.ts';
import { engineRoutes } from '../../engine/contract/routes.ts';
import {
  applyMessages,
  type Cluster,
  emptyCluster,
  endedJobs,
  isActive,
  mergeEvents,
} from '../lib/cluster.ts';
import { isLoggedOut } from '../lib/error-text.ts';
import { retryDelayMs } from '../lib/retry.ts';

export type Connection =
  | { state: 'connecting' }
  | { state: 'live' }
  | { state: 'away'; since: number; failures: number; nextTryAt: number };

/** Changes that arrive together are shown together; well under what a person notices. */
const gatherMs = 40;
const pageSize = 500;
const kinds = liveMessageSchema.options.map((option) => option.shape.kind.value);

export class Live {
  cluster = $state.raw<Cluster>(emptyCluster);
  loaded = $state(false);
  connection = $state.raw<Connection>({ state: 'connecting' });

  readonly #api: EngineClient;
  readonly #onJobEnded: (job: Job) => void;
  #source: EventSource | undefined;
  #waiting: LiveMessage[] = [];
  #gather: ReturnType<typeof setTimeout> | undefined;
  #retry: ReturnType<typeof setTimeout> | undefined;
  #reading = false;
  #readAgain = false;
  #awaited = new Set<string>();

  constructor(api: EngineClient, onJobEnded: (job: Job) => void) {
    this.#api = api;
    this.#onJobEnded = onJobEnded;
  }

  get online(): boolean {
    return this.connection.state !== 'away';
  }

  start(): void {
    this.stop();
    this.#connect();
    void this.#read();
  }

  stop(): void {
    this.#source?.close();
    this.#source = undefined;
    clearTimeout(this.#retry);
    clearTimeout(this.#gather);
    this.#gather = undefined;
    this.#waiting = [];
    this.#awaited.clear();
    this.connection = { state: 'connecting' };
    this.cluster = emptyCluster;
    this.loaded = false;
  }

  tryNow(): void {
    clearTimeout(this.#retry);
    this.#connect();
  }

  /** Tell when this job has ended, however short it was. */
  awaitJob(id: string): void {
    this.#awaited.add(id);
    const known = this.cluster.jobs.find((job) => job.id === id);
    if (known !== undefined && !isActive(known)) this.#tellEnded([known]);
  }

  /** The thing that an answer just gave, without waiting for its live message. */
  take(message: LiveMessage): void {
    this.#receive(message);
  }

  async readImages(): Promise<void> {
    const images = await allPages((query) => this.#api.call('listImages', { query }));
    this.cluster = { ...this.cluster, images };
  }

  async readOlderEvents(): Promise<boolean> {
    const oldest = this.cluster.events.at(-1);
    const page = await this.#api.call('listEvents', {
      query: { limit: 100, ...(oldest === undefined ? {} : { after: String(oldest.id) }) },
    });
    this.cluster = { ...this.cluster, events: mergeEvents(this.cluster.events, page.items, 5000) };
    return page.next !== undefined;
  }

  #connect(): void {
    this.#source?.close();
    const source = new EventSource(engineRoutes.listEvents.path);
    this.#source = source;
    const receive = (message: MessageEvent<string>) => {
      const parsed = liveMessageSchema.safeParse(parseJson(message.data));
      // A kind that this page is too old for is not an error.
      if (!parsed.success) return;
      if (parsed.data.kind !== 'hello') return this.#receive(parsed.data);
      const wasAway = this.connection.state === 'away';
      this.connection = { state: 'live' };
      if (wasAway || this.loaded) void this.#read();
    };
    source.onmessage = receive;
    for (const kind of kinds) source.addEventListener(kind, receive);
    source.onerror = () => {
      source.close();
      if (this.#source === source) void this.#lost();
    };
  }

  /** The stream ended. Is the session over, or is the engine away? Only an ordinary request tells. */
  async #lost(): Promise<void> {
    const failures = this.connection.state === 'away' ? this.connection.failures + 1 : 1;
    const since = this.connection.state === 'away' ? this.connection.since : Date.now();
    const delay = retryDelayMs(failures, Math.random());
    // A stream that merely ended is opened again at once and in silence; only the second failure is news.
    if (failures > 1 || !this.loaded || !(await this.#answers()))
      this.connection = { state: 'away', since, failures, nextTryAt: Date.now() + delay };
    clearTimeout(this.#retry);
    this.#retry = setTimeout(() => void this.#reconnect(), delay);
  }

  async #reconnect(): Promise<void> {
    if (await this.#answers()) this.#connect();
    else if (this.#source !== undefined) void this.#lost();
  }

  /** Asks with the session, so that its end is noticed here too (the client's hook then shows the login). */
  async #answers(): Promise<boolean> {
    try {
      this.cluster = { ...this.cluster, overview: await this.#api.call('getOverview') };
      return true;
    } catch (error) {
      return isLoggedOut(error);
    }
  }

  #receive(message: LiveMessage): void {
    this.#waiting.push(message);
    this.#gather ??= setTimeout(() => this.#flush(), gatherMs);
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
      if (job.subject?.kind === 'image') void this.readImages();
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
      const [overview, hosts, vms, volumes, images, networks, jobs, events] = await Promise.all([
        this.#api.call('getOverview'),
        allPages((query) => this.#api.call('listHosts', { query })),
        allPages((query) => this.#api.call('listVms', { query })),
        allPages((query) => this.#api.call('listVolumes', { query })),
        allPages((query) => this.#api.call('listImages', { query })),
        this.#api.call('listNetworks'),
        this.#api.call('listJobs', { query: { limit: 100 } }),
        this.#api.call('listEvents', { query: { limit: 100 } }),
      ]);
      const before = this.cluster;
      this.cluster = {
        overview,
        hosts,
        vms,
        volumes,
        images,
        networks: networks.items,
        jobs: jobs.items,
        events: events.items,
      };
      this.loaded = true;
      this.#tellEnded(endedJobs(before.jobs, jobs.items));
    } catch {
      // Not reached, or logged out: the stream's own end leads to the next try.
      if (this.#source !== undefined && this.connection.state === 'live') void this.#lost();
    } finally {
      this.#reading = false;
      this.#flush();
      if (this.#readAgain) {
        this.#readAgain = false;
        void this.#read();
      }
    }
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

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
