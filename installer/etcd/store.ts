import { z } from 'zod';
import { AppError } from '../../node/contract/error.ts';
import { exchange, type HostIdentity, type Way } from '../agents/exchange.ts';

export const etcdPort = 2379;

/** What formation needs of the cluster store: to read a key, and to write many at once if none was there. */
export type StorePort = {
  get(key: string): Promise<string | undefined>;
  /** Writes all of `entries` if `guard` does not exist yet; says whether it did. */
  putAllOnce(guard: string, entries: readonly (readonly [string, string])[]): Promise<boolean>;
  /** Writes one key, whatever it was. */
  put(key: string, value: string): Promise<void>;
};

export type StoreMember = HostIdentity & { name: string; address: string };

const base64 = (text: string): string => Buffer.from(text).toString('base64');
const callMs = 5_000;
const rangeSchema = z.object({ kvs: z.array(z.object({ value: z.string().default('') })).default([]) });
const txnSchema = z.object({ succeeded: z.boolean().default(false) });

/**
 * etcd's JSON gateway over mTLS, one member after the other: a frozen member accepts connections and never answers. By
 * example, reading a key: POST /v3/kv/range {"key":"<base64>"} -> {"kvs":[{"value":"<base64>"}]}.
 */
export function makeStore(members: readonly StoreMember[]): StorePort {
  const ask = async <T extends z.ZodType>(schema: T, path: string, body: unknown): Promise<z.output<T>> => {
    let last: unknown;
    for (const { name, address, hostId, identity } of members) {
      const way: Way = { kind: 'tls', address, port: etcdPort, trust: { hostId, identity } };
      try {
        const answer = await exchange(way, { method: 'POST', path, body, timeoutMs: callMs }, name);
        const parsed = answer.status === 200 ? schema.safeParse(answer.body) : undefined;
        if (parsed?.success === true) return parsed.data;
        last = parsed?.error ?? new Error(`status ${answer.status}: ${JSON.stringify(answer.body)}`);
      } catch (thrown) {
        last = thrown;
      }
    }
    throw new AppError({
      code: 'etcd.unavailable',
      family: 'unavailable',
      message: 'The cluster store does not answer on any of its hosts.',
      remedy: 'See "systemctl status etcd" on the hosts.',
      cause: last,
    });
  };
  return {
    get: async (key) => {
      const [found] = (await ask(rangeSchema, '/v3/kv/range', { key: base64(key) })).kvs;
      return found === undefined ? undefined : Buffer.from(found.value, 'base64').toString();
    },
    putAllOnce: async (guard, entries) => {
      const { succeeded } = await ask(txnSchema, '/v3/kv/txn', {
        compare: [{ key: base64(guard), target: 'VERSION', result: 'EQUAL', version: '0' }],
        success: entries.map(([key, value]) => ({
          requestPut: { key: base64(key), value: base64(value) },
        })),
      });
      return succeeded;
    },
    put: async (key, value) =>
      void (await ask(z.object({}), '/v3/kv/put', { key: base64(key), value: base64(value) })),
  };
}
