import { AppError, asAppError } from '../contract/error.ts';
import type { TaskId } from '../contract/ids.ts';
import type { Task } from '../contract/tasks.ts';
import type { Log } from '../log/log.ts';

export type TaskEnv = {
  newId(): TaskId;
  now(): Date;
  log: Log;
  /** told at the start, at each progress worth telling, and at the end */
  changed(task: Task): void;
};

/** What the work itself may say and must heed. */
export type TaskHandle = {
  signal: AbortSignal;
  progress(fraction: number | undefined, detail?: string): void;
};

export type TaskWork = (handle: TaskHandle) => Promise<Record<string, unknown> | undefined>;

/**
 * Long work of this agent: begun by a request, told by events, asked for by its id, ended by AbortSignal. It lives as
 * long as the process; what must survive is a job of the engine, which starts tasks again.
 */
export type Tasks = {
  start(kind: Task['kind'], detail: string, work: TaskWork): Task;
  /** a task that was done before it began, for PUTs that found nothing to do */
  done(kind: Task['kind'], detail: string, result?: Record<string, unknown>): Task;
  get(id: string): Task;
  list(): Task[];
  /** asks the work to end; the task ends when the work has */
  cancel(id: string): Task;
  close(): Promise<void>;
};

const keepEnded = 200;
const leastStep = 0.01;

export function makeTasks(env: TaskEnv): Tasks {
  const tasks = new Map<string, { task: Task; cancel: AbortController; over: Promise<void> }>();

  const prune = () => {
    const ended = [...tasks.values()].filter(({ task }) => task.state !== 'running');
    for (const { task } of ended.slice(0, Math.max(0, ended.length - keepEnded))) tasks.delete(task.id);
  };
  const entryOf = (id: string) => {
    const entry = tasks.get(id.toLowerCase());
    if (entry === undefined)
      throw new AppError({
        code: 'task.missing',
        family: 'missing',
        message: 'There is no such task on this host; tasks end with the agent that ran them.',
      });
    return entry;
  };
  const set = (id: string, change: Partial<Task>) => {
    const entry = entryOf(id);
    entry.task = { ...entry.task, ...change };
    env.changed(entry.task);
  };

  const end = (id: string, state: 'done' | 'failed' | 'cancelled', change: Partial<Task>) => {
    set(id, { ...change, state, endedAt: env.now().toISOString() });
    env.log.info(`task running -> ${state}`, { task: id, kind: entryOf(id).task.kind });
    prune();
  };

  const run = async (id: string, work: TaskWork, cancel: AbortController) => {
    try {
      cancel.signal.throwIfAborted();
      const result = await work({
        signal: cancel.signal,
        progress: (fraction, detail) => {
          const { task } = entryOf(id);
          const step = Math.abs((fraction ?? 0) - (task.progress ?? 0));
          const progress = fraction === undefined ? undefined : Math.min(1, Math.max(0, fraction));
          if (step < leastStep && (detail === undefined || detail === task.detail)) return;
          set(id, {
            ...(progress === undefined ? {} : { progress }),
            ...(detail === undefined ? {} : { detail }),
          });
        },
      });
      end(id, 'done', { progress: 1, ...(result === undefined ? {} : { result }) });
    } catch (thrown) {
      const error = asAppError(thrown, `doing the task "${entryOf(id).task.detail}"`);
      if (!cancel.signal.aborted) env.log.error('task failed', thrown, { task: id });
      end(id, cancel.signal.aborted ? 'cancelled' : 'failed', { error: error.toBody().error });
    }
  };

  return {
    start: (kind, detail, work) => {
      const id = env.newId();
      const cancel = new AbortController();
      const task: Task = { id, kind, state: 'running', detail, startedAt: env.now().toISOString() };
      const entry = { task, cancel, over: Promise.resolve() };
      tasks.set(id, entry);
      env.log.info('task started', { task: id, kind, detail });
      env.changed(task);
      // Begins in a later turn, so that the caller has the id before the first change is told.
      entry.over = Promise.resolve().then(() => run(id, work, cancel));
      return task;
    },
    done: (kind, detail, result) => {
      const at = env.now().toISOString();
      const task: Task = {
        id: env.newId(),
        kind,
        state: 'done',
        progress: 1,
        detail,
        startedAt: at,
        endedAt: at,
        ...(result === undefined ? {} : { result }),
      };
      tasks.set(task.id, { task, cancel: new AbortController(), over: Promise.resolve() });
      prune();
      env.changed(task);
      return task;
    },
    get: (id) => entryOf(id).task,
    list: () => [...tasks.values()].map(({ task }) => task),
    cancel: (id) => {
      const { task, cancel } = entryOf(id);
      if (task.state === 'running') cancel.abort(new Error('cancelled'));
      return entryOf(id).task;
    },
    close: async () => {
      for (const { cancel } of tasks.values()) cancel.abort(new Error('the agent stops'));
      await Promise.allSettled([...tasks.values()].map(({ over }) => over));
    },
  };
}
