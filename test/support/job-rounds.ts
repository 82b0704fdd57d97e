import * as assert from 'uvu/assert';
import type { JobId } from '../../engine/contract/common.ts';
import type { Job } from '../../engine/contract/jobs.ts';
import type { Database } from '../../engine/db/database.ts';
import { hosts, images, jobLocks, vms } from '../../engine/db/schema.ts';
import type { AnyJobKind, StepContext } from '../../engine/jobs/kind.ts';
import { AppError } from '../../node/contract/error.ts';
import { haKeys } from '../../node/contract/ha.ts';
import { keptState } from '../fakes/hosts/model.ts';
import { emptyDatabase, testDatabase } from './database.ts';
import { endOf, formedHosts, type TestEngine, testEngine } from './engine.ts';
import type { Suite } from './suite.ts';

/**
 * The tests that every kind of job must pass, made from its steps:
 *   fail at each step, before and after its work   -> what was done is undone, or what stays is whole
 *   the same with each undo done twice             -> the same
 *   each step done twice                           -> done, as if done once
 *   the engine dies at each step, before and after -> the next engine finishes it
 */
export type Arranged = {
  submit(engine: TestEngine): Promise<JobId>;
  /** after it is done: throws when something is not as it should be */
  done(engine: TestEngine): Promise<void>;
  /** after it failed at a step: `same`: all is as before; else whatever is asserted here */
  failedAt(step: string): 'same' | ((engine: TestEngine) => Promise<void>);
};
export type Scenario = {
  kind: string;
  /** told apart from other scenarios of this kind */
  label?: string;
  steps: readonly string[];
  /** steps that this scenario cannot be refused at, with the reason */
  arrange(engine: TestEngine, round: number): Promise<Arranged>;
};

type Moment = 'before' | 'after';
type Plan = {
  step: string;
  moment: Moment;
  what: 'fail' | 'hang';
  reached: () => void;
};
/** What the wrapped steps are to do in this round. */
type Control = { plan: Plan | undefined; twice: boolean; undoTwice: boolean };

const broken = () =>
  new AppError({ code: 'test.broken', family: 'conflict', message: 'Broken by the test.' });

const hang = ({ signal }: StepContext<unknown, unknown>): Promise<never> =>
  new Promise((_, reject) => {
    signal.addEventListener('abort', () => reject(signal.reason), { once: true });
    if (signal.aborted) reject(signal.reason);
  });

function wrap(kind: AnyJobKind, control: Control): AnyJobKind {
  const meet = async (step: string, moment: Moment, context: StepContext<unknown, unknown>) => {
    const { plan } = control;
    if (plan === undefined || plan.step !== step || plan.moment !== moment) return;
    plan.reached();
    if (plan.what === 'fail') throw broken();
    control.plan = undefined;
    await hang(context);
  };
  return {
    ...kind,
    steps: kind.steps.map((step) => ({
      ...step,
      async do(context) {
        await meet(step.name, 'before', context);
        let patch = await step.do(context);
        if (control.twice)
          patch = await step.do({ ...context, memory: { ...asObject(context.memory), ...patch } });
        await meet(step.name, 'after', context);
        return patch;
      },
      async undo(context) {
        await step.undo(context);
        if (control.undoTwice) await step.undo(context);
      },
    })),
  };
}

const asObject = (value: unknown): object => (typeof value === 'object' && value !== null ? value : {});

/** All that a crash would leave: rows and what hosts keep; without what counts up or tells the time. */
async function snapshot(database: Database, engine: TestEngine): Promise<unknown> {
  const rows = async (table: typeof vms | typeof hosts | typeof images | typeof jobLocks) =>
    (await database.db.select().from(table)).map((row) => JSON.stringify({ ...row, generation: 0 })).sort();
  const kept = JSON.stringify(keptState(engine.world), (key, value: unknown) => {
    if (key.startsWith(haKeys.prefix)) return haRecord(key, value);
    return ['generation', 'serial', 'note'].includes(key) ? undefined : value;
  });
  return {
    vms: await rows(vms),
    hosts: await rows(hosts),
    images: await rows(images),
    locks: await rows(jobLocks),
    kept: JSON.parse(kept),
  };
}

/** Of HA it counts which VMs are to run, and who may run one; that a VM was once to run changes nothing. */
function haRecord(key: string, text: unknown): unknown {
  const counts = [haKeys.vm(''), haKeys.assignment('')].some((prefix) => key.startsWith(prefix));
  if (!counts) return undefined;
  const { wanted, host, state } = JSON.parse(String(text));
  return wanted === 'stopped' ? undefined : JSON.stringify({ wanted, host, state });
}

const must = (job: Job, state: Job['state']) =>
  assert.is(job.state, state, `the job is ${job.state}: ${job.error?.message ?? 'no error'}`);

type RoundsOptions = { unjoined?: number };

/** One database for all of them: it takes longer to open than most rounds. */
export function jobRounds(test: Suite, scenarios: readonly Scenario[], options: RoundsOptions = {}): void {
  let opened: Promise<Database> | undefined;
  const open = () => {
    opened ??= testDatabase();
    return opened;
  };
  test.after(async () => (await opened)?.close());
  for (const scenario of scenarios) roundsOf(test, scenario, open, options);
}

function roundsOf(
  test: Suite,
  scenario: Scenario,
  open: () => Promise<Database>,
  options: RoundsOptions,
): void {
  const { kind, steps } = scenario;
  const name = `${kind}${scenario.label ?? ''}`;
  const control: Control = { plan: undefined, twice: false, undoTwice: false };
  let database: Database;
  let engine: TestEngine | undefined;
  let round = 0;

  const present = (): TestEngine => {
    if (engine === undefined) throw new Error('no engine');
    return engine;
  };
  const arrange = async (): Promise<Arranged> => {
    if (engine === undefined) {
      database = await open();
      await emptyDatabase(database);
      engine = await testEngine(database, await formedHosts({ more: options.unjoined ?? 0 }), {
        wrapJobs: (kinds) => kinds.map((each) => (each.kind === kind ? wrap(each, control) : each)),
      });
    }
    Object.assign(control, { plan: undefined, twice: false, undoTwice: false });
    round += 1;
    return scenario.arrange(engine, round);
  };

  const failing = async (step: string, moment: Moment, undoTwice: boolean) => {
    const arranged = await arrange();
    const before = await snapshot(database, present());
    let reached = false;
    const reach = () => {
      reached = true;
    };
    control.undoTwice = undoTwice;
    control.plan = { step, moment, what: 'fail', reached: reach };
    const job = await endOf(present().client, await arranged.submit(present()));
    assert.ok(reached, `the step ${step} was not reached`);
    must(job, 'failed');
    control.plan = undefined;
    const expected = arranged.failedAt(step);
    if (expected === 'same') assert.equal(await snapshot(database, present()), before);
    else await expected(present());
  };

  for (const step of steps) {
    for (const moment of ['before', 'after'] as const) {
      test(`${name}: fails ${moment} the work of "${step}": nothing is left half done`, () =>
        failing(step, moment, false));
      test(`${name}: the engine dies ${moment} the work of "${step}": the next one finishes it`, async () => {
        const arranged = await arrange();
        const reached = Promise.withResolvers<void>();
        control.plan = { step, moment, what: 'hang', reached: reached.resolve };
        const id = await arranged.submit(present());
        await reached.promise;
        engine = await present().restart();
        must(await endOf(engine.client, id), 'done');
        await arranged.done(engine);
      });
    }
    test(`${name}: fails at "${step}" and each undo runs twice: the same`, () =>
      failing(step, 'after', true));
  }

  test(`${name}: each step done twice is as done once`, async () => {
    const arranged = await arrange();
    control.twice = true;
    const seen: string[] = [];
    const job = await endOf(present().client, await arranged.submit(present()));
    must(job, 'done');
    await arranged.done(present());
    for (const { name, state } of job.steps) if (state === 'done') seen.push(name);
    // No step escapes: whoever adds one adds its rounds.
    assert.equal(seen, [...steps]);
  });

  test(`${name}: leaves no locks`, async () => {
    assert.equal(await database.db.select().from(jobLocks), []);
    await present().stop();
    engine = undefined;
  });
}
