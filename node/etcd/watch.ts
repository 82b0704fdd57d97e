import { unreadable } from '../command/run.ts';
import { AppError } from '../contract/error.ts';
import type { EtcdClient } from './client.ts';
import { gatewayFailure, networkFailure } from './failure.ts';
import { makeLineSplitter } from './lines.ts';
import { encode, prefixEnd, type WatchEvent, watchLineSchema } from './wire.ts';

/**
 * Watches a prefix. A watch is one long HTTP answer, and silence is its normal state: a member that is frozen, or cut
 * off from the majority, looks just like one with no news. So while we listen we also ask the same member, again and
 * again, whether it is alive and knows a leader, and leave it for another one when it does not.
 *
 * Nothing is lost or told twice: each connection resumes at the revision after the last one that was handed out. When
 * that revision has been compacted away, or the cluster is not the one we knew (its id changed: it was rebuilt), the
 * watch ends with `lost-track`: read everything again (`follow.ts` does).
 */
export type WatchItem =
  | { kind: 'events'; revision: number; events: WatchEvent[] }
  /** (again) connected to a member; what comes is complete up to now */
  | { kind: 'connected'; endpoint: string }
  | { kind: 'disconnected'; reason: string }
  | { kind: 'lost-track'; reason: string };

export type WatchOptions = {
  prefix: string;
  /** first revision to be told */
  fromRevision: number;
  signal: AbortSignal;
  /** how often the member is asked whether it is alive; it is left after two answers missed */
  probeEveryMs?: number;
  clusterId?: string | undefined;
};

type WatchClient = Pick<EtcdClient, 'env' | 'caller' | 'status'>;
type LineResult = NonNullable<ReturnType<typeof watchLineSchema.parse>['result']>;

/** How long a member may take to confirm that it watches. */
const createMs = 3_000;
const missesAllowed = 2;
/** A connection that held this long was a good one: the next is tried without a pause. */
const steadyMs = 2_000;

/** Ends `controller` when the member stops answering or loses its leader. */
async function guard(
  client: WatchClient,
  endpoint: string,
  everyMs: number,
  controller: AbortController,
): Promise<void> {
  let misses = 0;
  try {
    for (;;) {
      await client.env.clock.sleep(everyMs, controller.signal);
      try {
        const status = await client.status(endpoint, {
          deadlineMs: Math.max(everyMs, 1_000),
          signal: controller.signal,
        });
        misses = status.leaderId === undefined ? misses + 1 : 0;
      } catch (error) {
        if (controller.signal.aborted) return;
        if (!(error instanceof AppError)) throw error;
        misses += 1;
      }
      if (misses >= missesAllowed) {
        controller.abort(new Error('the member no longer answers, or knows no leader'));
        return;
      }
    }
  } catch (error) {
    if (!controller.signal.aborted) controller.abort(error);
  }
}

/** One connection: what the member sends, line by line, until it ends or fails. */
async function* connection(
  client: WatchClient,
  endpoint: string,
  request: { prefix: string; fromRevision: number },
  signal: AbortSignal,
): AsyncGenerator<LineResult> {
  const answer = await client.env.transport.stream({
    endpoint,
    path: '/v3/watch',
    // asks the member to end the watch by itself when it loses its leader
    headers: { 'grpc-metadata-hasleader': 'true' },
    body: {
      create_request: {
        key: encode(request.prefix),
        range_end: prefixEnd(request.prefix),
        start_revision: String(request.fromRevision),
      },
    },
    signal,
  });
  const lines = makeLineSplitter();
  for await (const chunk of answer.chunks) {
    for (const line of lines.push(chunk)) {
      if (answer.status !== 200) throw gatewayFailure(answer.status, line).error;
      let parsed: ReturnType<typeof watchLineSchema.parse>;
      try {
        parsed = watchLineSchema.parse(JSON.parse(line));
      } catch (error) {
        throw unreadable('etcd', 'a line of its watch', error);
      }
      if (parsed.error !== undefined) throw new Error(parsed.error.message);
      if (parsed.result !== undefined) yield parsed.result;
    }
  }
}

export async function* watch(client: WatchClient, options: WatchOptions): AsyncGenerator<WatchItem> {
  const { signal } = options;
  const everyMs = options.probeEveryMs ?? 1_000;
  let next = options.fromRevision;
  let clusterId = options.clusterId;
  let pause = 0;

  while (!signal.aborted) {
    if (pause > 0) await client.env.clock.sleep(pause, signal).catch(() => undefined);
    if (signal.aborted) return;
    pause = pause === 0 ? 100 : Math.min(pause * 2, 2_000);
    const endpoint = client.caller.endpoints.order()[0];
    if (endpoint === undefined) throw new Error('a watch needs an endpoint');

    const controller = new AbortController();
    const stop = () => controller.abort(signal.reason);
    signal.addEventListener('abort', stop, { once: true });
    const tooSlow = setTimeout(() => controller.abort(new Error('no answer')), createMs);
    let guarding: Promise<void> | undefined;
    let connectedAt: number | undefined;
    let reason = 'the member ended the watch';
    try {
      for await (const result of connection(
        client,
        endpoint,
        { ...options, fromRevision: next },
        controller.signal,
      )) {
        const { header } = result;
        if (clusterId !== undefined && header.cluster_id !== clusterId) {
          yield { kind: 'lost-track', reason: 'the store was rebuilt: it is another cluster now' };
          return;
        }
        clusterId = header.cluster_id;
        if (result.canceled) {
          if (result.compact_revision > 0) {
            yield { kind: 'lost-track', reason: `revision ${next} has been compacted away` };
            return;
          }
          throw new Error(result.cancel_reason || 'the member cancelled the watch');
        }
        if (result.created) {
          clearTimeout(tooSlow);
          client.caller.endpoints.good(endpoint);
          guarding = guard(client, endpoint, everyMs, controller);
          connectedAt = client.env.clock.now();
          yield { kind: 'connected', endpoint };
        }
        if (result.events.length > 0) {
          const revision = result.events.reduce(
            (most, event) => Math.max(most, event.kind === 'put' ? event.kv.modRevision : event.revision),
            0,
          );
          next = revision + 1;
          pause = 0;
          yield { kind: 'events', revision, events: result.events };
        }
      }
    } catch (error) {
      const why = controller.signal.aborted ? controller.signal.reason : error;
      reason = networkFailure(why).reason;
    } finally {
      clearTimeout(tooSlow);
      signal.removeEventListener('abort', stop);
      controller.abort(new Error('this connection is over'));
      await guarding;
    }
    if (signal.aborted) return;
    client.caller.endpoints.bad(endpoint);
    if (connectedAt !== undefined && client.env.clock.now() - connectedAt > steadyMs) pause = 0;
    yield { kind: 'disconnected', reason };
  }
}
