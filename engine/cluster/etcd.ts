import { setTimeout as delay } from 'node:timers/promises';
import { Agent } from 'undici';
import { AppError } from '../../node/contract/error.ts';
import type { ClusterStore, StoreChange, StoreNews } from './port.ts';
import {
  encode,
  endOf,
  rangeSchema,
  readOf,
  statusSchema,
  txnOf,
  txnSchema,
  watchLineSchema,
} from './wire.ts';

/**
 * The cluster's store over etcd's JSON gateway, with mTLS. Each call has a deadline and tries the other members: a frozen
 * one accepts connections and never answers. A watch is one long answer and silent by nature, so the member is asked all
 * the while whether it lives; after any doubt everything is read again.
 */
const callMs = 2_500;
/** how long a member may take to confirm that it watches */
const createMs = 3_000;
const aliveEveryMs = 1_000;
const againMs = 300;

export const changedMeanwhile = (): AppError =>
  new AppError({
    code: 'etcd.changed-meanwhile',
    family: 'conflict',
    message: 'The cluster’s store was changed meanwhile by somebody else.',
    remedy: 'Try again.',
    retry: 'later',
  });

export function openClusterStore(options: {
  endpoints: readonly string[];
  ca: string;
  certificate: string;
  key: string;
}): ClusterStore {
  const agent = new Agent({
    connections: 4,
    connect: { ca: options.ca, cert: options.certificate, key: options.key, timeout: 1_500 },
  });
  const endpoints = options.endpoints.map((endpoint) => new URL(endpoint).origin);
  let preferred = 0;
  const origin = (): string => endpoints[preferred] ?? '';
  const leave = () => {
    preferred = (preferred + 1) % Math.max(1, endpoints.length);
  };

  const askAt = async (at: string, path: string, body: unknown, signal?: AbortSignal): Promise<unknown> => {
    const deadline = AbortSignal.timeout(callMs);
    const answer = await agent.request({
      origin: at,
      path,
      method: 'POST',
      body: JSON.stringify(body),
      headers: { 'content-type': 'application/json' },
      signal: signal === undefined ? deadline : AbortSignal.any([deadline, signal]),
    });
    const text = await answer.body.text();
    if (answer.statusCode !== 200) throw new Error(`status ${answer.statusCode}: ${text.slice(0, 200)}`);
    return JSON.parse(text);
  };

  const ask = async (path: string, body: unknown): Promise<unknown> => {
    let last: unknown;
    for (let tried = 0; tried < endpoints.length; tried += 1) {
      try {
        return await askAt(origin(), path, body);
      } catch (error) {
        last = error;
        leave();
      }
    }
    throw new AppError({
      code: 'etcd.unavailable',
      family: 'unavailable',
      message: 'The cluster’s store (etcd) does not answer.',
      remedy: 'See whether a majority of the hosts is online.',
      cause: last,
    });
  };

  /** Ends the watch when its member does not answer any more, or knows no leader. */
  const guard = async (at: string, watching: AbortController): Promise<void> => {
    const { signal } = watching;
    for (let misses = 0; misses < 2; ) {
      await delay(aliveEveryMs, undefined, { signal });
      const alive = await askAt(at, '/v3/maintenance/status', {}, signal).then(
        (answer) => statusSchema.parse(answer).leader !== '0',
        () => false,
      );
      misses = alive ? 0 : misses + 1;
    }
    watching.abort(new Error('its member does not answer any more'));
  };

  async function* watch(prefix: string, from: number, outer: AbortSignal): AsyncGenerator<StoreChange[]> {
    const at = origin();
    const watching = new AbortController();
    const signal = AbortSignal.any([outer, watching.signal]);
    const late = setTimeout(() => watching.abort(new Error('its member did not begin to tell')), createMs);
    const guarding = guard(at, watching).catch(() => {});
    try {
      const answer = await agent.request({
        origin: at,
        path: '/v3/watch',
        method: 'POST',
        body: JSON.stringify({
          create_request: { key: encode(prefix), range_end: endOf(prefix), start_revision: String(from) },
        }),
        // Asks the member to end the watch by itself when it loses its leader.
        headers: { 'content-type': 'application/json', 'grpc-metadata-hasleader': 'true' },
        bodyTimeout: 0,
        signal,
      });
      if (answer.statusCode !== 200) throw new Error(`status ${answer.statusCode}`);
      for await (const line of linesOf(answer.body)) {
        const { result } = watchLineSchema.parse(JSON.parse(line));
        if (result === undefined || result.canceled) return;
        if (result.created) clearTimeout(late);
        if (result.events.length > 0) yield result.events;
      }
    } finally {
      clearTimeout(late);
      watching.abort(new Error('this watch is over'));
      await guarding;
    }
  }

  async function* follow(prefix: string, signal: AbortSignal): AsyncGenerator<StoreNews> {
    while (!signal.aborted) {
      let reason = 'The cluster’s store (etcd) has ended what it was telling.';
      try {
        const answer = await ask('/v3/kv/range', { key: encode(prefix), range_end: endOf(prefix) });
        const { header, kvs } = rangeSchema.parse(answer);
        yield { kind: 'snapshot', entries: kvs };
        for await (const changes of watch(prefix, header.revision + 1, signal))
          yield { kind: 'changes', changes };
      } catch (thrown) {
        if (signal.aborted) return;
        reason =
          thrown instanceof AppError ? thrown.message : 'The connection to the cluster’s store is lost.';
      }
      if (signal.aborted) return;
      yield { kind: 'stale', reason };
      leave();
      await delay(againMs, undefined, { signal }).catch(() => {});
    }
  }

  return {
    async get(key) {
      const { kvs } = rangeSchema.parse(await ask('/v3/kv/range', { key: encode(key) }));
      return kvs[0]?.value;
    },
    async read(keys) {
      const { responses } = txnSchema.parse(await ask('/v3/kv/txn', readOf(keys)));
      const entries = responses.flatMap(({ response_range }) => response_range?.kvs ?? []);
      return new Map(entries.map((entry) => [entry.key, entry]));
    },
    async range(prefix) {
      const answer = await ask('/v3/kv/range', { key: encode(prefix), range_end: endOf(prefix) });
      return rangeSchema.parse(answer).kvs;
    },
    put: async (key, value) => void (await ask('/v3/kv/put', { key: encode(key), value: encode(value) })),
    remove: async (key) => void (await ask('/v3/kv/deleterange', { key: encode(key) })),
    async commit(guards, writes) {
      const { succeeded } = txnSchema.parse(await ask('/v3/kv/txn', txnOf(guards, writes)));
      if (!succeeded) throw changedMeanwhile();
    },
    follow,
    close: () => agent.destroy(),
  };
}

async function* linesOf(body: AsyncIterable<Uint8Array>): AsyncGenerator<string> {
  const decoder = new TextDecoder();
  let rest = '';
  for await (const chunk of body) {
    const lines = `${rest}${decoder.decode(chunk, { stream: true })}`.split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines) if (line.trim() !== '') yield line;
  }
}
