import { AppError } from '../../node/contract/error.ts';
import type { Task } from '../../node/contract/tasks.ts';
import type { Changes } from '../live/changes.ts';
import type { HostEntry } from './hosts.ts';
import { patiently } from './patience.ts';

export type TaskWatch = {
  changes: Changes;
  sleep(ms: number, signal: AbortSignal): Promise<void>;
  signal: AbortSignal;
  progress(fraction: number | undefined, detail: string): void;
};

const cancelMs = 5_000;
const beginnings = 3;

/**
 * Has a host do something long: begins it (which must be idempotent), follows its task to the end. A task that is gone
 * because the agent was restarted is begun again. When the signal fires the task is cancelled.
 */
export async function byTask(
  entry: HostEntry,
  begin: (signal: AbortSignal) => Promise<Task>,
  watch: TaskWatch,
): Promise<Task> {
  for (let attempt = 1; ; attempt += 1) {
    const task = await patiently(watch, () => begin(watch.signal));
    try {
      return await follow(entry, task, watch);
    } catch (thrown) {
      if (watch.signal.aborted) {
        await cancel(entry, task);
        throw thrown;
      }
      const gone = thrown instanceof AppError && thrown.code === 'task.missing';
      if (!gone || attempt === beginnings) throw thrown;
    }
  }
}

async function follow(entry: HostEntry, first: Task, watch: TaskWatch): Promise<Task> {
  let seen: Task | undefined = first;
  return watch.changes.until(
    `task:${first.id}`,
    async () => {
      // What was told by the event stream is newer than an answer that is still to be asked for.
      const task: Task =
        seen ??
        (await patiently(watch, () =>
          entry.link.client.call('getTask', { params: { id: first.id } }, { signal: watch.signal }),
        ));
      seen = undefined;
      watch.progress(task.progress, task.detail);
      return ended(task, entry.record.name);
    },
    watch.signal,
    1_000,
  );
}

function ended(task: Task, hostName: string): Task | undefined {
  switch (task.state) {
    case 'running':
      return undefined;
    case 'done':
      return task;
    case 'failed':
      if (task.error !== undefined) throw AppError.fromBody({ error: task.error });
      throw new AppError({
        code: 'task.failed',
        family: 'unavailable',
        message: `${hostName} could not do it and did not say why.`,
      });
    case 'cancelled':
      throw new AppError({
        code: 'task.cancelled',
        family: 'conflict',
        message: `It was cancelled on ${hostName}.`,
      });
  }
}

async function cancel(entry: HostEntry, task: Task): Promise<void> {
  const signal = AbortSignal.timeout(cancelMs);
  await entry.link.client.call('cancelTask', { params: { id: task.id } }, { signal }).catch(() => {
    // It ends with its host then; what it left is removed by the step's undo.
  });
}
