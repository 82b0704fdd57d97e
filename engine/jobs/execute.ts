import { AppError, asAppError } from '../../node/contract/error.ts';
import type { Log } from '../log/log.ts';
import type { AnyJobKind, AnyStep, StepContext } from './kind.ts';
import type { JobRecord, LiveProgress, StepRecord } from './model.ts';

/**
 * Carries one job from where its record says it is to its end: forward through the steps, or, after a failure or a
 * cancel, backward through what was done. The record is saved before and after each step; a crash in between means that
 * the step (or its undo) runs again, which is why both are idempotent.
 */
export type ExecutePort = {
  /** milliseconds since 1970 */
  now(): number;
  sleep(ms: number, signal: AbortSignal): Promise<void>;
  /** returns once it is in the database; rejects only when the engine stops */
  save(record: JobRecord): Promise<void>;
  changed(live: LiveProgress | undefined): void;
  /** the record came into the database saying that its first step is at work: that need not be said again */
  begun: boolean;
  stopping: AbortSignal;
  cancelled: AbortSignal;
  log: Log;
};

/** `ended`: the record is in its last state, not yet saved; `stopped`: the engine stops, the job goes on after its start */
export type Outcome = 'ended' | 'stopped';

const undoPatienceMs = 60_000;

export async function execute(record: JobRecord, kind: AnyJobKind, port: ExecutePort): Promise<Outcome> {
  try {
    if (record.state !== 'undoing' && (await forward(record, kind, port))) {
      record.state = 'done';
      return 'ended';
    }
    await backward(record, kind, port);
    return 'ended';
  } catch (error) {
    if (port.stopping.aborted) return 'stopped';
    throw error;
  } finally {
    port.changed(undefined);
  }
}

/** True when all steps are done; false when what was done is to be undone. */
async function forward(record: JobRecord, kind: AnyJobKind, port: ExecutePort): Promise<boolean> {
  for (const [index, step] of kind.steps.entries()) {
    const at = record.steps[index];
    if (at === undefined) throw new Error(`job ${record.id} has no step ${index} (${step.name})`);
    if (at.state === 'done' || at.state === 'skipped') continue;
    if (port.cancelled.aborted) return false;
    if (!step.applies(record.input, record.memory)) {
      at.state = 'skipped';
      continue;
    }
    const said = port.begun && index === 0;
    begin(at, port.now());
    if (!said) await port.save(record);
    try {
      const patch = await attempt(record, step, port);
      record.memory = { ...record.memory, ...patch };
      at.state = 'done';
      at.tookMs = port.now() - (at.startedAt ?? port.now());
    } catch (thrown) {
      if (port.stopping.aborted) throw thrown;
      fail(record, at, step, thrown, port);
      return false;
    }
  }
  return true;
}

export function begin(at: StepRecord, now: number): void {
  at.state = 'running';
  at.detail = '';
  at.startedAt = now;
}

function fail(record: JobRecord, at: StepRecord, step: AnyStep, thrown: unknown, port: ExecutePort): void {
  at.state = 'failed';
  if (port.cancelled.aborted && step.cancellable) {
    at.detail = 'cancelled';
    return;
  }
  const error = asAppError(thrown, `doing "${step.title}" of "${record.title}"`);
  at.detail = error.message;
  record.error = error.toBody().error;
  port.log.error(`job step failed: ${record.kind} ${step.name}`, thrown, { job: record.id });
}

const deadlineError = (title: string, ms: number) =>
  new AppError({
    code: 'job.too-slow',
    family: 'unavailable',
    message: `"${title}" did not finish within ${Math.round(ms / 1000)} s.`,
  });

const isDatabaseAway = (thrown: unknown): boolean =>
  thrown instanceof AppError && thrown.code === 'database.unavailable';

/** One step with its deadline. While the database is away it is done again: that says nothing about the step. */
async function attempt(record: JobRecord, step: AnyStep, port: ExecutePort) {
  const limit = new AbortController();
  const timer = setTimeout(
    () => limit.abort(deadlineError(step.title, step.deadlineMs)),
    step.deadlineMs,
  ).unref();
  const signal = AbortSignal.any([
    limit.signal,
    port.stopping,
    ...(step.cancellable ? [port.cancelled] : []),
  ]);
  try {
    for (;;) {
      signal.throwIfAborted();
      try {
        return await step.do(contextOf(record, signal, port));
      } catch (thrown) {
        // What was thrown because the deadline fired is the deadline's.
        if (limit.signal.aborted) throw limit.signal.reason;
        if (!isDatabaseAway(thrown)) throw thrown;
        await port.sleep(1_000, signal);
      }
    }
  } finally {
    clearTimeout(timer);
  }
}

function contextOf(record: JobRecord, signal: AbortSignal, port: ExecutePort): StepContext<unknown, unknown> {
  return {
    jobId: record.id,
    user: record.userName,
    input: record.input,
    memory: record.memory,
    signal,
    progress: (fraction, detail) => port.changed({ fraction, detail }),
  };
}

async function backward(record: JobRecord, kind: AnyJobKind, port: ExecutePort): Promise<void> {
  record.state = 'undoing';
  await port.save(record);
  for (const [index, step] of [...kind.steps.entries()].reverse()) {
    const at = record.steps[index];
    if (at === undefined || at.state === 'waiting' || at.state === 'skipped' || at.state === 'undone')
      continue;
    if (step.fact && at.state === 'done') break;
    if (!step.hasUndo) continue;
    if (at.state !== 'failed') at.state = 'undoing';
    await port.save(record);
    try {
      await undo(record, step, port);
    } catch (thrown) {
      if (port.stopping.aborted) throw thrown;
      getStuck(record, step, thrown, port);
      return;
    }
    if (at.state !== 'failed') at.state = 'undone';
  }
  record.state = record.error === null && record.cancelRequested ? 'cancelled' : 'failed';
}

/** Tries again for a minute where it can help: what stays half done costs a person's time. */
async function undo(record: JobRecord, step: AnyStep, port: ExecutePort): Promise<void> {
  const begin = port.now();
  const limit = new AbortController();
  const limitMs = Math.max(step.deadlineMs, undoPatienceMs);
  const timer = setTimeout(() => limit.abort(deadlineError(`Undo: ${step.title}`, limitMs)), limitMs).unref();
  const signal = AbortSignal.any([limit.signal, port.stopping]);
  try {
    for (let wait = 500; ; wait = Math.min(wait * 2, 8_000)) {
      signal.throwIfAborted();
      try {
        await step.undo(contextOf(record, signal, port));
        return;
      } catch (thrown) {
        if (limit.signal.aborted) throw limit.signal.reason;
        const error = asAppError(thrown, `undoing "${step.title}"`);
        const patient = isDatabaseAway(thrown) || port.now() - begin + wait < undoPatienceMs;
        if (error.retry !== 'later' || !patient) throw error;
        await port.sleep(wait, signal);
      }
    }
  } finally {
    clearTimeout(timer);
  }
}

function getStuck(record: JobRecord, step: AnyStep, thrown: unknown, port: ExecutePort): void {
  const why = asAppError(thrown, `undoing "${step.title}"`);
  const first = record.error?.message;
  record.state = 'stuck';
  record.error = new AppError({
    code: 'job.stuck',
    family: 'unavailable',
    message: `${first === undefined ? '' : `${first} `}After that, "${step.title}" could not be undone: ${why.message}`,
    remedy: 'Look at what is named here and put it right by hand; then do it again.',
    retry: 'never',
  }).toBody().error;
  port.log.error(`job is stuck: ${record.kind} ${step.name}`, thrown, { job: record.id });
}
