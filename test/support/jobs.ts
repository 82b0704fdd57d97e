import { setTimeout as delay } from 'node:timers/promises';
import type { Db } from '../../engine/db/database.ts';
import type { AnyJobKind, AnyStep } from '../../engine/jobs/kind.ts';
import { Jobs, type JobsEnv } from '../../engine/jobs/runner.ts';
import { type Log, silentLog } from '../../engine/log/log.ts';

/** A jobs runner on a database, for tests: waits are short, what it publishes is kept. */
export function testJobs(
  db: Db,
  kinds: readonly AnyJobKind[],
  options: { log?: Log; env?: Partial<JobsEnv> } = {},
) {
  const published: Array<{ state: string; progress: number; title: string }> = [];
  const events: Array<{ severity: string; code: string; message: string }> = [];
  const jobs = new Jobs(
    {
      db,
      log: options.log ?? silentLog,
      now: () => new Date(),
      sleep: (ms, signal) => delay(Math.min(ms, 5), undefined, { signal }),
      changed: (job) => published.push(job),
      told: (event) => events.push(event),
      ...options.env,
    },
    kinds,
  );
  return { jobs, published, events };
}

/** The same kind with each step's `do` and `undo` wrapped. */
export function wrapSteps(
  kind: AnyJobKind,
  wrap: (step: AnyStep, index: number) => Partial<AnyStep>,
): AnyJobKind {
  return { ...kind, steps: kind.steps.map((step, index) => ({ ...step, ...wrap(step, index) })) };
}
