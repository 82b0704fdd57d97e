import { Agent } from 'undici';
import { z } from 'zod';
import { AppError } from '../../node/contract/error.ts';

/**
 * The little that the engine needs of the cluster's store: one key at a time over the JSON gateway, with mTLS. Keys and
 * values travel as base64. Each call has a deadline and tries the other members: a frozen one accepts connections and
 * never answers.
 */
export type ClusterStore = {
  get(key: string): Promise<string | undefined>;
  put(key: string, value: string): Promise<void>;
  remove(key: string): Promise<void>;
  close(): Promise<void>;
};

const callMs = 2_500;
const rangeSchema = z.object({ kvs: z.array(z.object({ value: z.string().default('') })).default([]) });

const encode = (text: string): string => Buffer.from(text).toString('base64');
const decode = (text: string): string => Buffer.from(text, 'base64').toString();

export function openClusterStore(options: {
  endpoints: readonly string[];
  ca: string;
  certificate: string;
  key: string;
}): ClusterStore {
  const agent = new Agent({
    connections: 2,
    connect: { ca: options.ca, cert: options.certificate, key: options.key, timeout: 1_500 },
  });
  let preferred = 0;

  const ask = async (path: string, body: unknown): Promise<unknown> => {
    let last: unknown;
    for (let tried = 0; tried < options.endpoints.length; tried += 1) {
      const at = (preferred + tried) % options.endpoints.length;
      try {
        const answer = await agent.request({
          origin: new URL(options.endpoints[at] ?? '').origin,
          path,
          method: 'POST',
          body: JSON.stringify(body),
          headers: { 'content-type': 'application/json' },
          signal: AbortSignal.timeout(callMs),
        });
        const text = await answer.body.text();
        if (answer.statusCode !== 200) throw new Error(`status ${answer.statusCode}: ${text.slice(0, 200)}`);
        preferred = at;
        return JSON.parse(text);
      } catch (error) {
        last = error;
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

  return {
    async get(key) {
      const answer = rangeSchema.parse(await ask('/v3/kv/range', { key: encode(key) }));
      const [first] = answer.kvs;
      return first === undefined ? undefined : decode(first.value);
    },
    put: async (key, value) => void (await ask('/v3/kv/put', { key: encode(key), value: encode(value) })),
    remove: async (key) => void (await ask('/v3/kv/deleterange', { key: encode(key) })),
    close: () => agent.destroy(),
  };
}
