import { z } from 'zod';
import { errorBodySchema } from '../../node/contract/error.ts';
import { type JobId, jobIdSchema } from '../contract/common.ts';
import { type Job, type JobState, jobSchema, jobStateSchema, jobStepSchema } from '../contract/jobs.ts';
import type { AnyJobKind } from './kind.ts';

/** A step as it is kept with its job. */
export const stepRecordSchema = jobStepSchema.extend({
  startedAt: z.number().optional(),
  tookMs: z.number().optional(),
});
export const jobSubjectSchema = jobSchema.shape.subject.unwrap();
export type JobSubject = z.infer<typeof jobSubjectSchema>;

export const jobRecordSchema = z.object({
  id: jobIdSchema,
  kind: z.string(),
  title: z.string(),
  state: jobStateSchema,
  input: z.unknown(),
  memory: z.record(z.string(), z.unknown()),
  steps: z.array(stepRecordSchema),
  locks: z.array(z.string()),
  subject: jobSubjectSchema.nullable(),
  userName: z.string(),
  error: errorBodySchema.shape.error.nullable(),
  cancelRequested: z.boolean(),
  number: z.number().int(),
  createdAt: z.date(),
  endedAt: z.date().nullable(),
});
/** What people are shown of a job is made of; `input` and `memory` are for its steps alone, and can be long. */
export const jobSightSchema = jobRecordSchema.omit({ input: true, memory: true });
export type JobSight = z.infer<typeof jobSightSchema>;
export type StepRecord = z.infer<typeof stepRecordSchema>;
export type JobRecord = z.infer<typeof jobRecordSchema>;

export const hasEnded = (state: JobState): boolean =>
  state === 'done' || state === 'failed' || state === 'cancelled' || state === 'stuck';

export type NewJob = {
  kind: string;
  title: string;
  input: unknown;
  subject?: JobSubject;
  /** what nobody else may work on meanwhile, as `vm:<id>`; taken in sorted order */
  locks: string[];
  /** kinds of jobs on the same locks that this one ends (cancels) and takes over from */
  supersedes?: readonly string[];
  user: string;
};

export const freshSteps = (kind: AnyJobKind): StepRecord[] =>
  kind.steps.map(({ name, title }) => ({ name, title, state: 'waiting', detail: '' }));

/** Progress of the step at work, kept in memory only: it is worth nothing after a crash. */
export type LiveProgress = { fraction: number | undefined; detail: string };
/** Expected milliseconds of a step, learned or declared. */
export type Expect = (kind: string, step: string) => number;

export function canCancel(record: JobSight, kind: AnyJobKind | undefined): boolean {
  if (record.cancelRequested) return false;
  if (record.state === 'queued') return true;
  if (record.state !== 'running' || kind === undefined) return false;
  const at = record.steps.findIndex((step) => step.state === 'running');
  return kind.steps[at]?.cancellable ?? false;
}

/** 0..1 over all steps, by expected time, and the seconds that are left while it goes forward. */
export function estimate(
  record: JobSight,
  live: LiveProgress | undefined,
  expect: Expect,
  now: number,
): { progress: number; secondsLeft: number | undefined } {
  if (record.state === 'done') return { progress: 1, secondsLeft: undefined };
  let done = 0;
  let left = 0;
  for (const step of record.steps) {
    const expected = expect(record.kind, step.name);
    switch (step.state) {
      case 'done':
        done += expected;
        break;
      case 'waiting':
        left += expected;
        break;
      case 'running': {
        const elapsed = now - (step.startedAt ?? now);
        const fraction = live?.fraction ?? Math.min(0.9, elapsed / expected);
        // A step that tells its progress is believed by its own speed, once there is enough to go by.
        const byItself =
          live?.fraction !== undefined && live.fraction > 0.02
            ? (elapsed * (1 - live.fraction)) / live.fraction
            : undefined;
        done += expected * fraction;
        left += byItself ?? Math.max(0, expected * (1 - fraction));
        break;
      }
      case 'failed':
      case 'undoing':
      case 'undone':
      case 'skipped':
        break;
    }
  }
  const total = done + left;
  const progress = total === 0 ? 0 : Math.min(0.99, done / total);
  return { progress, secondsLeft: record.state === 'running' ? Math.ceil(left / 1000) : undefined };
}

export function jobView(
  record: JobSight,
  kind: AnyJobKind | undefined,
  live: LiveProgress | undefined,
  expect: Expect,
  now: number,
): Job {
  const { progress, secondsLeft } = estimate(record, live, expect, now);
  return {
    id: record.id,
    kind: record.kind,
    title: record.title,
    state: record.state,
    progress,
    ...(secondsLeft === undefined ? {} : { secondsLeft }),
    steps: record.steps.map(({ name, title, state, detail }) => ({
      name,
      title,
      state,
      detail: state === 'running' && live !== undefined ? live.detail : detail,
    })),
    ...(record.subject === null ? {} : { subject: record.subject }),
    user: record.userName,
    canCancel: canCancel(record, kind),
    ...(record.error === null ? {} : { error: record.error }),
    createdAt: record.createdAt.toISOString(),
    ...(record.endedAt === null ? {} : { endedAt: record.endedAt.toISOString() }),
  };
}

export type { JobId };
