import type { z } from 'zod';
import type { Clock } from '../clock/clock.ts';
import { unreadable } from '../command/run.ts';
import { AppError } from '../contract/error.ts';
import { type Endpoints, makeEndpoints } from './endpoints.ts';
import { type Failure, gatewayFailure, networkFailure } from './failure.ts';
import type { EtcdTransport } from './transport.ts';
import { statusReplySchema } from './wire.ts';

export type EtcdEnv = { transport: EtcdTransport; clock: Clock };
export type EtcdOptions = {
  /** e.g. https://10.77.1.11:2379; asked in this order until one has proved good */
  endpoints: readonly string[];
  /** a member that does not answer within this is given up for another one */
  attemptMs?: number;
  /** a call as a whole ends by then */
  deadlineMs?: number;
};
export type CallOptions = { deadlineMs?: number; attemptMs?: number; signal?: AbortSignal };

/**
 * `repeatable`: doing it twice is the same as doing it once, so another member may be asked after any failure.
 * `once`: after an attempt whose outcome is not known the caller is told so (`etcd.outcome-unknown`).
 */
export type Repeat = 'repeatable' | 'once';

export type Caller = {
  endpoints: Endpoints;
  call<S extends z.ZodType>(
    request: { path: string; body: unknown; reply: S; repeat: Repeat },
    options?: CallOptions,
  ): Promise<z.output<S>>;
  /** one attempt at one member, no fail-over */
  callAt<S extends z.ZodType>(
    endpoint: string,
    request: { path: string; body: unknown; reply: S },
    options?: CallOptions,
  ): Promise<z.output<S>>;
};

/** Longer than etcd's own election (1.2 s measured), so that a call to a healthy member lives through one. */
const defaultAttemptMs = 2_000;
const defaultDeadlineMs = 8_000;
const pauseMs = { first: 50, most: 500 };
/** A call that must not be repeated first makes sure that its member is alive when the last answer is older. */
const trustMs = 1_000;

class AttemptFailed extends Error {
  readonly failure: Failure;
  constructor(failure: Failure) {
    super(failure.reason);
    this.failure = failure;
  }
}

function readReply<S extends z.ZodType>(path: string, reply: S, text: string): z.output<S> {
  try {
    return reply.parse(JSON.parse(text));
  } catch (error) {
    throw unreadable('etcd', `its answer to ${path}`, error);
  }
}

export function makeCaller(env: EtcdEnv, options: EtcdOptions): Caller {
  const endpoints = makeEndpoints(env.clock, options.endpoints);
  const attemptMs = options.attemptMs ?? defaultAttemptMs;

  async function attempt(
    endpoint: string,
    request: { path: string; body: unknown },
    ms: number,
    signal: AbortSignal | undefined,
  ): Promise<string> {
    const timeout = AbortSignal.timeout(Math.max(1, Math.ceil(ms)));
    const both = signal === undefined ? timeout : AbortSignal.any([timeout, signal]);
    let answer: { status: number; text: string };
    try {
      answer = await env.transport.exchange({ endpoint, ...request, signal: both });
    } catch (error) {
      signal?.throwIfAborted();
      endpoints.bad(endpoint);
      throw new AttemptFailed(
        timeout.aborted
          ? { kind: 'unknown', reason: `no answer within ${Math.round(ms)} ms`, error }
          : networkFailure(error),
      );
    }
    if (answer.status === 200) {
      endpoints.good(endpoint);
      return answer.text;
    }
    const failure = gatewayFailure(answer.status, answer.text);
    if (failure.kind !== 'refused') endpoints.bad(endpoint);
    throw new AttemptFailed(failure);
  }

  /** Finds a member that answers and knows a leader, so that a call that cannot be repeated is not wasted on a dead one. */
  async function findLive(end: number, signal: AbortSignal | undefined): Promise<string | undefined> {
    for (const endpoint of endpoints.order()) {
      const age = endpoints.ageOfGood(endpoint);
      if (age !== undefined && age < trustMs) return endpoint;
      const ms = Math.min(attemptMs, end - env.clock.now());
      if (ms <= 0) return undefined;
      try {
        const text = await attempt(endpoint, { path: '/v3/maintenance/status', body: {} }, ms, signal);
        const status = readReply('/v3/maintenance/status', statusReplySchema, text);
        if (status.leaderId !== undefined && !status.isLearner) return endpoint;
        endpoints.bad(endpoint);
      } catch (error) {
        signal?.throwIfAborted();
        if (!(error instanceof AttemptFailed)) throw error;
      }
    }
    return undefined;
  }

  return {
    endpoints,

    async callAt(endpoint, request, { deadlineMs, signal } = {}) {
      try {
        const text = await attempt(endpoint, request, deadlineMs ?? attemptMs, signal);
        return readReply(request.path, request.reply, text);
      } catch (error) {
        if (!(error instanceof AttemptFailed)) throw error;
        if (error.failure.kind === 'refused') throw error.failure.error;
        throw new AppError({
          code: 'etcd.unavailable',
          family: 'unavailable',
          message: `The member of the cluster's store (etcd) at ${endpoint} does not serve: ${error.failure.reason}.`,
          cause: error.failure.error,
        });
      }
    },

    async call(request, { deadlineMs, attemptMs: oneMs = attemptMs, signal } = {}) {
      const whole = deadlineMs ?? options.deadlineMs ?? defaultDeadlineMs;
      const end = env.clock.now() + whole;
      const reasons = new Map<string, string>();
      let cause: unknown;
      for (let pause = pauseMs.first; ; pause = Math.min(pause * 2, pauseMs.most)) {
        signal?.throwIfAborted();
        const live = request.repeat === 'once' ? await findLive(end, signal) : undefined;
        const order = request.repeat === 'repeatable' ? endpoints.order() : live === undefined ? [] : [live];
        for (const endpoint of order) {
          const left = end - env.clock.now();
          if (left <= 0) break;
          try {
            // what cannot be repeated gets all the time that is left rather than an unknown outcome
            const ms = request.repeat === 'once' ? left : Math.min(left, oneMs);
            return readReply(request.path, request.reply, await attempt(endpoint, request, ms, signal));
          } catch (error) {
            if (!(error instanceof AttemptFailed)) throw error;
            const { failure } = error;
            if (failure.kind === 'refused') throw failure.error;
            if (failure.kind === 'unknown' && request.repeat === 'once')
              throw new AppError({
                code: 'etcd.outcome-unknown',
                family: 'unavailable',
                message: `It is not known whether the cluster's store (etcd) has made the change: ${failure.reason}.`,
                remedy: 'Read the key again before repeating the change.',
                details: { endpoint },
                cause: failure.error,
              });
            reasons.set(endpoint, failure.reason);
            cause = failure.error;
          }
        }
        if (env.clock.now() + pause >= end)
          throw new AppError({
            code: 'etcd.unavailable',
            family: 'unavailable',
            message: `The cluster's store (etcd) did not answer within ${Math.round(whole / 100) / 10} s.`,
            remedy: 'It needs a majority of its members: check that their hosts run and reach each other.',
            details: { members: Object.fromEntries(reasons) },
            cause,
          });
        await env.clock.sleep(pause, signal);
      }
    },
  };
}
