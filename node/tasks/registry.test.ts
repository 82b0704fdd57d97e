import { randomUUID } from 'node:crypto';
import * as assert from 'uvu/assert';
import { eventually } from '../../test/support/eventually.ts';
import { suite } from '../../test/support/suite.ts';
import { AppError } from '../contract/error.ts';
import { taskIdSchema } from '../contract/ids.ts';
import { type Task, taskSchema } from '../contract/tasks.ts';
import { silentLog } from '../log/log.ts';
import { makeTasks } from './registry.ts';

const test = suite('tasks');

function fixture() {
  const told: Task[] = [];
  const tasks = makeTasks({
    newId: () => taskIdSchema.parse(randomUUID()),
    now: () => new Date(0),
    log: silentLog,
    changed: (task) => told.push(taskSchema.parse(task)),
  });
  const ended = (id: string) =>
    eventually('the task has ended', () => {
      const task = tasks.get(id);
      return task.state === 'running' ? undefined : task;
    });
  return { tasks, told, ended };
}

test('a task tells its start, its progress in steps, and its end', async () => {
  const { tasks, told, ended } = fixture();
  const started = tasks.start('disk-create', 'copying the disk', async ({ progress }) => {
    progress(0.5);
    progress(0.501);
    progress(2, 'nearly there');
    return { sizeMiB: 5 };
  });
  assert.is(started.state, 'running');
  const task = await ended(started.id);
  assert.is(task.state, 'done');
  assert.equal(task.result, { sizeMiB: 5 });
  assert.equal(
    told.map((one) => [one.state, one.progress ?? -1, one.detail]),
    [
      ['running', -1, 'copying the disk'],
      ['running', 0.5, 'copying the disk'],
      ['running', 1, 'nearly there'],
      ['done', 1, 'nearly there'],
    ],
  );
});

test('a task that fails keeps its error; what was not foreseen is a bug', async () => {
  const { tasks, ended } = fixture();
  const known = tasks.start('migrate', 'moving', async () => {
    throw new AppError({ code: 'vm.gone', family: 'missing', message: 'It is gone.' });
  });
  const unknown = tasks.start('migrate', 'moving', async () => {
    throw new Error('oops');
  });
  assert.is((await ended(known.id)).error?.code, 'vm.gone');
  assert.is((await ended(unknown.id)).error?.code, 'internal.bug');
});

test('cancelling asks the work; the task ends when the work has ended', async () => {
  const { tasks, ended } = fixture();
  const started = tasks.start('migrate', 'moving', async ({ signal }) => {
    await new Promise((resolve) => signal.addEventListener('abort', resolve));
    signal.throwIfAborted();
    return undefined;
  });
  await Promise.resolve();
  tasks.cancel(started.id);
  assert.is((await ended(started.id)).state, 'cancelled');
  assert.is(tasks.cancel(started.id).state, 'cancelled');
});

test('an unknown task is missing; only the newest ended tasks are kept', async () => {
  const { tasks } = fixture();
  assert.throws(
    () => tasks.get(randomUUID()),
    (error: unknown) => error instanceof AppError && error.family === 'missing',
  );
  for (let i = 0; i < 250; i++) tasks.done('disk-create', 'there already');
  assert.is(tasks.list().length, 200);
});

test('closing ends all that runs', async () => {
  const { tasks } = fixture();
  const started = tasks.start('migrate', 'moving', ({ signal }) => {
    return new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason)));
  });
  await tasks.close();
  assert.is(tasks.get(started.id).state, 'cancelled');
});

test.run();
