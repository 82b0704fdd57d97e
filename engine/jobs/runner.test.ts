import * as assert from 'uvu/assert';
import { z } from 'zod';
import { AppError } from '../../node/contract/error.ts';
import { emptyDatabase, testDatabase } from '../../test/support/database.ts';
import { eventually } from '../../test/support/eventually.ts';
import { testJobs } from '../../test/support/jobs.ts';
import { refused } from '../../test/support/refused.ts';
import { suite } from '../../test/support/suite.ts';
import type { Database } from '../db/database.ts';
import { defineJob, type Step } from './kind.ts';
import type { NewJob } from './model.ts';

const test = suite('jobs', { deadlineMs: 30_000 });
let database: Database;

test.before(async () => {
  database = await testDatabase();
});
test.beforeEach(() => emptyDatabase(database));
test.after(() => database.close());

const inputSchema = z.object({ name: z.string() });
const memorySchema = z.object({ id: z.string().optional() });
type Input = z.infer<typeof inputSchema>;
type Memory = z.infer<typeof memorySchema>;

const step = (name: string, parts: Partial<Step<Input, Memory>> = {}): Step<Input, Memory> => ({
  name,
  title: `Step ${name}`,
  seconds: 1,
  deadlineMs: 5_000,
  cancellable: true,
  do: async () => undefined,
  ...parts,
});
const kindOf = (steps: Step<Input, Memory>[], kind = 'thing.make') =>
  defineJob<Input, Memory>({
    kind,
    input: inputSchema,
    memory: memorySchema,
    steps,
    told: ({ input, memory }) => ({ code: 'thing.made', message: `${input.name} was made as ${memory.id}.` }),
  });
const wanted = (parts: Partial<NewJob> = {}): NewJob => ({
  kind: 'thing.make',
  title: 'Make it',
  input: { name: 'it' },
  locks: ['thing:1'],
  user: 'admin',
  ...parts,
});
const untilAborted = (signal: AbortSignal) =>
  new Promise<never>((_, reject) => signal.addEventListener('abort', () => reject(signal.reason)));
const no = (message = 'No.') => new AppError({ code: 'thing.refused', family: 'conflict', message });

test('does its steps in order; later ones know what earlier ones found', async () => {
  const seen: string[] = [];
  const { jobs, events } = testJobs(database.db, [
    kindOf([
      step('a', { do: async () => ({ id: 'x1' }) }),
      step('b', { do: async ({ memory }) => void seen.push(`b knows ${memory.id}`) }),
      step('c', { when: () => false, do: async () => void seen.push('c') }),
    ]),
  ]);
  const id = await jobs.submit(wanted());
  assert.is(await jobs.ended(id), 'done');
  assert.equal(seen, ['b knows x1']);
  const job = await jobs.get(id);
  assert.is(job.progress, 1);
  assert.equal(
    job.steps.map(({ state }) => state),
    ['done', 'done', 'skipped'],
  );
  assert.equal(
    events.map(({ message }) => message),
    ['it was made as x1.'],
  );
});

test('a step that fails is undone, with all before it, in reverse; the reason is told', async () => {
  const undone: string[] = [];
  const undo = (name: string) => ({ undo: async () => void undone.push(name) });
  const { jobs, events } = testJobs(database.db, [
    kindOf([
      step('a', undo('a')),
      step('b'),
      step('c', {
        ...undo('c'),
        do: async () => {
          throw no('The disk is full.');
        },
      }),
      step('d', undo('d')),
    ]),
  ]);
  const id = await jobs.submit(wanted());
  assert.is(await jobs.ended(id), 'failed');
  assert.equal(undone, ['c', 'a']);
  const job = await jobs.get(id);
  assert.is(job.error?.message, 'The disk is full.');
  assert.equal(
    job.steps.map(({ state }) => state),
    ['undone', 'done', 'failed', 'waiting'],
  );
  assert.is(events[0]?.message, '"Make it" failed: The disk is full.');
});

test('what is a fact stays when a later step fails', async () => {
  const undone: string[] = [];
  const { jobs } = testJobs(database.db, [
    kindOf([
      step('a', { undo: async () => void undone.push('a') }),
      step('b', { fact: true, undo: async () => void undone.push('b') }),
      step('c', {
        undo: async () => void undone.push('c'),
        do: async () => {
          throw no();
        },
      }),
    ]),
  ]);
  assert.is(await jobs.ended(await jobs.submit(wanted())), 'failed');
  assert.equal(undone, ['c']);
});

test('cancelled while a step is at work: it ends, and what was done is undone', async () => {
  const undone: string[] = [];
  const { jobs } = testJobs(database.db, [
    kindOf([
      step('a', { undo: async () => void undone.push('a') }),
      step('b', { do: async ({ signal }) => untilAborted(signal), undo: async () => void undone.push('b') }),
    ]),
  ]);
  const id = await jobs.submit(wanted());
  await eventually('the second step', async () => (await jobs.get(id)).steps[1]?.state === 'running');
  assert.is((await jobs.cancel(id)).state, 'cancelling');
  assert.is(await jobs.ended(id), 'cancelled');
  assert.equal(undone, ['b', 'a']);
});

test('a step that must not be cancelled refuses it; an ended job too', async () => {
  const gate = Promise.withResolvers<void>();
  const { jobs } = testJobs(database.db, [
    kindOf([
      step('a', {
        cancellable: false,
        do: async () => {
          await gate.promise;
          return undefined;
        },
      }),
    ]),
  ]);
  const id = await jobs.submit(wanted());
  assert.is((await refused(jobs.cancel(id))).code, 'job.not-cancellable');
  assert.is((await jobs.get(id)).canCancel, false);
  gate.resolve();
  assert.is(await jobs.ended(id), 'done');
  assert.is((await refused(jobs.cancel(id))).code, 'job.not-cancellable');
});

test('an undo that helps later is tried again; one that never helps leaves the job stuck, and says at what', async () => {
  let tries = 0;
  const patient = kindOf([
    step('a', {
      undo: async () => {
        tries += 1;
        if (tries < 3) throw new AppError({ code: 'host.away', family: 'unavailable', message: 'Away.' });
      },
    }),
    step('b', {
      do: async () => {
        throw no();
      },
    }),
  ]);
  const hopeless = kindOf(
    [
      step('a', {
        undo: async () => {
          throw no('The file is held.');
        },
      }),
      step('b', {
        do: async () => {
          throw no('The disk is full.');
        },
      }),
    ],
    'thing.hopeless',
  );
  const { jobs } = testJobs(database.db, [patient, hopeless]);
  assert.is(await jobs.ended(await jobs.submit(wanted())), 'failed');
  assert.is(tries, 3);
  const id = await jobs.submit(wanted({ kind: 'thing.hopeless' }));
  assert.is(await jobs.ended(id), 'stuck');
  assert.is(
    (await jobs.get(id)).error?.message,
    'The disk is full. After that, "Step a" could not be undone: The file is held.',
  );
  // It does not hold its locks for ever.
  assert.is(await jobs.ended(await jobs.submit(wanted())), 'failed');
});

test('one job works on a thing at a time; the refusal says which', async () => {
  const { jobs } = testJobs(database.db, [kindOf([step('a', { do: ({ signal }) => untilAborted(signal) })])]);
  const id = await jobs.submit(wanted({ locks: ['thing:2', 'thing:1'] }));
  const error = await refused(jobs.submit(wanted({ locks: ['thing:1'] })));
  assert.is(error.code, 'job.busy');
  assert.equal(error.details, { jobId: id });
  await jobs.submit(wanted({ locks: ['thing:3'] }));
  await jobs.cancel(id);
  await jobs.ended(id);
  await jobs.submit(wanted({ locks: ['thing:1'] }));
  await jobs.stop();
});

test('a job that supersedes another cancels it and waits for its end', async () => {
  const order: string[] = [];
  const slow = kindOf(
    [
      step('a', {
        do: ({ signal }) => untilAborted(signal),
        undo: async () => void order.push('slow undone'),
      }),
    ],
    'thing.slow',
  );
  const quick = kindOf([step('a', { do: async () => void order.push('quick') })], 'thing.quick');
  const { jobs } = testJobs(database.db, [slow, quick]);
  const first = await jobs.submit(wanted({ kind: 'thing.slow' }));
  const second = await jobs.submit(wanted({ kind: 'thing.quick', supersedes: ['thing.slow'] }));
  assert.is((await refused(jobs.submit(wanted({ kind: 'thing.quick' })))).code, 'job.busy');
  assert.is(await jobs.ended(second), 'done');
  assert.is(await jobs.ended(first), 'cancelled');
  assert.equal(order, ['slow undone', 'quick']);
});

test('what is to be together with its job is there with it, or neither is', async () => {
  const { jobs } = testJobs(database.db, [kindOf([step('a')])]);
  const failing = jobs.submit(wanted(), async () => {
    throw no('The name is taken.');
  });
  assert.is((await refused(failing)).message, 'The name is taken.');
  assert.is((await jobs.list({ before: undefined, limit: 10, activeOnly: false })).total, 0);
  assert.is(await jobs.ended(await jobs.submit(wanted())), 'done');
});

test('a step that is too slow is ended and told', async () => {
  const { jobs } = testJobs(database.db, [
    kindOf([step('a', { deadlineMs: 20, do: ({ signal }) => untilAborted(signal) })]),
  ]);
  const id = await jobs.submit(wanted());
  assert.is(await jobs.ended(id), 'failed');
  assert.is((await jobs.get(id)).error?.code, 'job.too-slow');
});

test('while the database is away a step is done again, not failed', async () => {
  let tries = 0;
  const { jobs } = testJobs(database.db, [
    kindOf([
      step('a', {
        do: async () => {
          tries += 1;
          if (tries < 3)
            throw new AppError({ code: 'database.unavailable', family: 'unavailable', message: 'Away.' });
          return undefined;
        },
      }),
    ]),
  ]);
  assert.is(await jobs.ended(await jobs.submit(wanted())), 'done');
  assert.is(tries, 3);
});

test('a job that the engine left goes on in the next one: forward, cancelling, undoing, queued', async () => {
  const done: string[] = [];
  const hang = { do: ({ signal }: { signal: AbortSignal }) => untilAborted(signal) };
  const first = testJobs(database.db, [
    kindOf([step('a', { do: async () => ({ id: 'x1' }) }), step('b', hang)]),
  ]);
  const forward = await first.jobs.submit(wanted());
  const queued = await first.jobs.submit(wanted({ locks: ['thing:9'] }));
  await eventually('step b', async () => (await first.jobs.get(forward)).steps[1]?.state === 'running');
  await first.jobs.stop();

  const second = testJobs(database.db, [
    kindOf([
      step('a', { do: async () => void done.push('a again') }),
      step('b', { do: async ({ memory }) => void done.push(`b with ${memory.id}`) }),
    ]),
  ]);
  await second.jobs.resume();
  assert.is(await second.jobs.ended(forward), 'done');
  assert.is(await second.jobs.ended(queued), 'done');
  assert.ok(done.includes('b with x1'));
});

test('progress goes up and the time left is told while a step reports', async () => {
  const gate = Promise.withResolvers<void>();
  const { jobs } = testJobs(database.db, [
    kindOf([
      step('a'),
      step('b', {
        seconds: 9,
        do: async ({ progress }) => {
          progress(0.5, '50 of 100 MiB');
          await gate.promise;
          return undefined;
        },
      }),
    ]),
  ]);
  const id = await jobs.submit(wanted());
  const job = await eventually('half of step b', async () => {
    const now = await jobs.get(id);
    return now.steps[1]?.detail === '50 of 100 MiB' && now;
  });
  assert.ok(job.progress > 0.3 && job.progress < 1, `${job.progress}`);
  assert.ok((job.secondsLeft ?? -1) >= 0);
  gate.resolve();
  await jobs.ended(id);
});

test.run();
