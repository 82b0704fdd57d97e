import { randomUUID } from 'node:crypto';
import { AppError } from '../../node/contract/error.ts';
import { type JobId, jobIdSchema } from '../contract/common.ts';
import type { Event } from '../contract/events.ts';
import type { Job, JobState } from '../contract/jobs.ts';
import { type Db, databaseError } from '../db/database.ts';
import { insertEvent, type NewEvent } from '../events/store.ts';
import type { Log } from '../log/log.ts';
import { Durations } from './durations.ts';
import { begin, type ExecutePort, execute } from './execute.ts';
import type { AnyJobKind } from './kind.ts';
import {
  canCancel,
  freshSteps,
  type JobRecord,
  type JobSight,
  jobView,
  type LiveProgress,
  type NewJob,
} from './model.ts';
import {
  activeJobs,
  findJob,
  insertJob,
  listJobs,
  recentDone,
  releaseLocks,
  saveJob,
  takeLocks,
} from './store.ts';

export type JobsEnv = {
  db: Db;
  log: Log;
  now(): Date;
  sleep(ms: number, signal: AbortSignal): Promise<void>;
  /** after each change; the record's locks tell what it is about */
  changed(job: Job, locks: readonly string[]): void;
  told(event: Event): void;
};

type Active = {
  record: JobRecord;
  live: LiveProgress | undefined;
  cancel: AbortController;
  running: boolean;
  begun: boolean;
  ended: PromiseWithResolvers<JobState>;
};

const slots = 24;

/**
 * Runs jobs. What is in the database is the truth after a crash; while the engine lives the active ones are kept here as
 * well. A job has all its locks before it runs; one that supersedes another waits for the other's end without any.
 */
export class Jobs {
  readonly #env: JobsEnv;
  readonly #kinds: ReadonlyMap<string, AnyJobKind>;
  readonly #active = new Map<JobId, Active>();
  readonly #stopping = new AbortController();
  readonly #durations: Durations;

  constructor(env: JobsEnv, kinds: readonly AnyJobKind[]) {
    this.#env = env;
    this.#kinds = new Map(kinds.map((kind) => [kind.kind, kind]));
    this.#durations = new Durations(kinds);
  }

  /** Takes up what an earlier engine left; its steps go on when `ready` resolves, their locks are held from now on. */
  async resume(ready: Promise<void> = Promise.resolve()): Promise<void> {
    for (const record of await recentDone(this.#env.db, 200)) this.#durations.learn(record);
    for (const record of await activeJobs(this.#env.db)) {
      const active = this.#track(record);
      if (record.cancelRequested) active.cancel.abort();
      if (record.state === 'queued') continue;
      active.running = true;
    }
    void ready
      .then(() => this.#goOn())
      .catch((error: unknown) => {
        if (!this.#stopping.signal.aborted) this.#env.log.error('jobs could not be taken up', error);
      });
  }

  async #goOn(): Promise<void> {
    for (const active of [...this.#active.values()]) {
      const { record } = active;
      if (record.state === 'queued' || active.begun || this.#stopping.signal.aborted) continue;
      this.#env.log.info(`job resumed: ${record.title}`, { job: record.id, state: record.state });
      this.#start(active);
    }
    await this.#pump();
  }

  /**
   * Accepts a job. `together` runs in the same transaction: rows that come to be with their job. Refuses when another
   * job works on the same things, unless this kind takes over from that one.
   */
  async submit(wanted: NewJob, together?: (tx: Db, id: JobId) => Promise<void>): Promise<JobId> {
    const kind = this.#kindOf(wanted.kind);
    const id = jobIdSchema.parse(randomUUID());
    this.#refuseWhileQueued(wanted);
    const free = this.#runningCount() < slots;
    let superseded: Active | undefined;
    const record = await this.#transaction(`accepting "${wanted.title}"`, async (tx) => {
      superseded = undefined;
      const state: JobState = free ? 'running' : 'queued';
      const steps = freshSteps(kind);
      const [first] = steps;
      // Said at once that it is at work: one write less before it is.
      if (free && first !== undefined && kind.steps[0]?.applies(wanted.input, {}) === true)
        begin(first, this.#env.now().getTime());
      const inserted = await insertJob(tx, {
        id,
        kind: wanted.kind,
        title: wanted.title,
        state,
        input: wanted.input,
        memory: {},
        steps,
        locks: wanted.locks,
        subject: wanted.subject ?? null,
        userName: wanted.user,
        error: null,
        cancelRequested: false,
        createdAt: this.#env.now(),
        endedAt: null,
      });
      const holder = await takeLocks(tx, id, wanted.locks);
      if (holder !== undefined) {
        superseded = this.#supersede(wanted, holder);
        inserted.state = 'queued';
        inserted.steps = freshSteps(kind);
        await saveJob(tx, inserted);
      }
      await together?.(tx, id);
      return inserted;
    });
    const active = this.#track(record);
    if (superseded !== undefined) await this.#cancelActive(superseded);
    if (record.state === 'running') this.#start(active, record.steps[0]?.state === 'running');
    else this.#publish(active);
    return id;
  }

  async cancel(id: JobId): Promise<Job> {
    const active = this.#active.get(id);
    if (active === undefined) {
      const record = await findJob(this.#env.db, id);
      if (record === undefined) throw jobMissing();
      throw notCancellable(`"${record.title}" has already ended.`);
    }
    const { record } = active;
    if (record.cancelRequested) return this.#view(active);
    if (!canCancel(record, this.#kinds.get(record.kind)))
      throw notCancellable(`"${record.title}" is at a step that cannot be cancelled.`);
    await this.#cancelActive(active);
    return this.#view(active);
  }

  async get(id: JobId): Promise<Job> {
    const active = this.#active.get(id);
    if (active !== undefined) return this.#view(active);
    const record = await findJob(this.#env.db, id);
    if (record === undefined) throw jobMissing();
    return this.#viewOf(record, undefined);
  }

  async list(page: {
    before: number | undefined;
    limit: number;
    activeOnly: boolean;
  }): Promise<{ items: Job[]; total: number; last: number | undefined }> {
    const { items, total } = await listJobs(this.#env.db, page);
    return {
      items: items.map((record) => {
        const active = this.#active.get(record.id);
        return active === undefined ? this.#viewOf(record, undefined) : this.#view(active);
      }),
      total,
      last: items.at(-1)?.number,
    };
  }

  /** The job that is at work on something, or waits for it; for what the API shows of that thing. */
  activeOn(lock: string): { id: JobId; kind: string; state: JobState } | undefined {
    let found: JobRecord | undefined;
    for (const { record } of this.#active.values())
      if (record.locks.includes(lock) && (found === undefined || record.state !== 'queued')) found = record;
    return found === undefined ? undefined : { id: found.id, kind: found.kind, state: found.state };
  }

  activeCount(): number {
    return this.#active.size;
  }

  /** For those that must know the end of a job of this process. */
  async ended(id: JobId): Promise<JobState> {
    const active = this.#active.get(id);
    if (active !== undefined) return active.ended.promise;
    return (await this.get(id)).state;
  }

  /** Lets the steps at work end; what is not finished goes on at the next start. */
  async stop(): Promise<void> {
    const at = [...this.#active.values()].filter((active) => active.begun);
    this.#stopping.abort(
      new AppError({ code: 'engine.stopping', family: 'unavailable', message: 'The engine is stopping.' }),
    );
    await Promise.allSettled(at.map((active) => active.ended.promise));
  }

  #kindOf(name: string): AnyJobKind {
    const kind = this.#kinds.get(name);
    if (kind === undefined) throw new Error(`there is no kind of job called ${name}`);
    return kind;
  }

  #runningCount(): number {
    let count = 0;
    for (const active of this.#active.values()) if (active.running) count += 1;
    return count;
  }

  #track(record: JobRecord): Active {
    const active: Active = {
      record,
      live: undefined,
      cancel: new AbortController(),
      running: false,
      begun: false,
      ended: Promise.withResolvers<JobState>(),
    };
    active.ended.promise.catch(() => {});
    this.#active.set(record.id, active);
    return active;
  }

  #refuseWhileQueued(wanted: NewJob): void {
    for (const { record } of this.#active.values())
      if (record.state === 'queued' && record.locks.some((lock) => wanted.locks.includes(lock)))
        throw busy(record);
  }

  #supersede(wanted: NewJob, holder: string): Active {
    const active = [...this.#active.values()].find(({ record }) => record.id === holder);
    if (active === undefined) throw new Error(`job ${holder} holds a lock but is not active`);
    if (!wanted.supersedes?.includes(active.record.kind)) throw busy(active.record);
    return active;
  }

  async #cancelActive(active: Active): Promise<void> {
    const { record } = active;
    if (record.cancelRequested) return;
    record.cancelRequested = true;
    if (record.state === 'queued') {
      record.state = 'cancelled';
      await this.#finish(active);
      return;
    }
    if (record.state === 'running') record.state = 'cancelling';
    await this.#save(record);
    active.cancel.abort(
      new AppError({
        code: 'job.cancelled',
        family: 'conflict',
        message: `"${record.title}" was cancelled.`,
      }),
    );
    this.#publish(active);
  }

  #start(active: Active, begun = false): void {
    const { record } = active;
    active.running = true;
    active.begun = true;
    if (record.state === 'queued') record.state = 'running';
    this.#publish(active);
    const port: ExecutePort = {
      now: () => this.#env.now().getTime(),
      sleep: this.#env.sleep,
      save: async (changed) => {
        await this.#save(changed);
        this.#publish(active);
      },
      changed: (live) => {
        active.live = live;
        this.#publish(active);
      },
      begun,
      stopping: this.#stopping.signal,
      cancelled: active.cancel.signal,
      log: this.#env.log,
    };
    execute(record, this.#kindOf(record.kind), port)
      .then(async (outcome) => {
        if (outcome === 'ended') await this.#finish(active);
        else active.ended.reject(this.#stopping.signal.reason);
      })
      .catch((error: unknown) => {
        active.ended.reject(error);
        if (!this.#stopping.signal.aborted)
          this.#env.log.error('a job ended in a way that was not foreseen', error, { job: record.id });
      });
  }

  /** The last state, the locks and the event, in one transaction. */
  async #finish(active: Active): Promise<void> {
    const { record } = active;
    record.endedAt = this.#env.now();
    const event = await this.#persist(() =>
      this.#env.db.transaction(async (tx) => {
        await saveJob(tx, record);
        await releaseLocks(tx, record.id);
        return insertEvent(tx, this.#env.now(), this.#eventOf(record));
      }),
    );
    this.#active.delete(record.id);
    this.#durations.learn(record);
    this.#env.log.info(`job ${record.state}: ${record.title}`, { job: record.id });
    this.#env.changed(this.#viewOf(record, undefined), record.locks);
    this.#env.told(event);
    active.ended.resolve(record.state);
    await this.#pump();
  }

  #eventOf(record: JobRecord): NewEvent {
    const common = {
      user: record.userName,
      jobId: record.id,
      ...(record.subject === null ? {} : { subject: record.subject }),
    };
    if (record.state === 'done') {
      const told = this.#kindOf(record.kind).told(record.input, record.memory);
      return { ...common, ...told, severity: 'info' };
    }
    if (record.state === 'cancelled')
      return {
        ...common,
        severity: 'info',
        code: 'job.cancelled',
        message: `"${record.title}" was cancelled; what it had done was undone.`,
      };
    return {
      ...common,
      severity: 'error',
      code: record.error?.code ?? 'job.failed',
      message: `"${record.title}" failed: ${record.error?.message ?? 'for no known reason.'}`,
    };
  }

  /** Starts what waits, oldest first, as far as locks and slots are free. */
  async #pump(): Promise<void> {
    const waiting = [...this.#active.values()].filter(
      (active) => active.record.state === 'queued' && !active.running,
    );
    for (const active of waiting) {
      if (this.#stopping.signal.aborted || this.#runningCount() >= slots) return;
      const { record } = active;
      active.running = true;
      const got = await this.#persist(() =>
        this.#env.db.transaction(async (tx) => {
          await releaseLocks(tx, record.id);
          const holder = await takeLocks(tx, record.id, record.locks);
          if (holder === undefined) await saveJob(tx, { ...record, state: 'running' });
          return holder === undefined;
        }),
      ).catch(() => false);
      active.running = false;
      if (got && record.state === 'queued') this.#start(active);
    }
  }

  readonly #save = (record: JobRecord): Promise<void> => this.#persist(() => saveJob(this.#env.db, record));

  /** Until it is in the database: a job never goes on with something that a crash would forget. */
  async #persist<T>(write: () => Promise<T>): Promise<T> {
    for (;;) {
      this.#stopping.signal.throwIfAborted();
      try {
        return await write();
      } catch (thrown) {
        const error = databaseError(thrown, 'saving a job');
        if (error.code !== 'database.unavailable') throw error;
        this.#env.log.warn('a job waits for the database', { code: error.code });
        await this.#env.sleep(1_000, this.#stopping.signal);
      }
    }
  }

  async #transaction<T>(doing: string, body: (tx: Db) => Promise<T>): Promise<T> {
    try {
      return await this.#env.db.transaction(body);
    } catch (thrown) {
      throw databaseError(thrown, doing);
    }
  }

  #viewOf(record: JobSight, live: LiveProgress | undefined): Job {
    return jobView(
      record,
      this.#kinds.get(record.kind),
      live,
      this.#durations.expect,
      this.#env.now().getTime(),
    );
  }
  readonly #view = (active: Active): Job => this.#viewOf(active.record, active.live);
  #publish(active: Active): void {
    this.#env.changed(this.#view(active), active.record.locks);
  }
}

const jobMissing = () =>
  new AppError({ code: 'job.missing', family: 'missing', message: 'There is no such job.' });
const notCancellable = (message: string) =>
  new AppError({ code: 'job.not-cancellable', family: 'conflict', message });
const busy = (holder: JobRecord) =>
  new AppError({
    code: 'job.busy',
    family: 'conflict',
    message: `"${holder.title}" is at work on it.`,
    remedy: 'Wait until that job has ended, or cancel it.',
    retry: 'later',
    details: { jobId: holder.id },
  });
