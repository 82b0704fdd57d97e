import { z } from 'zod';
import type { StoreChange, StoreEntry, StoreGuard, StoreWrite } from './port.ts';

/**
 * etcd's JSON gateway on the wire: keys and values are base64, numbers are strings, and what has its default value is left
 * out. `{"kvs":[{"key":"L2E=","mod_revision":"2","value":"MQ=="}],"header":{"revision":"7"}}`
 */
export const encode = (text: string): string => Buffer.from(text).toString('base64');
const decode = (text: string): string => Buffer.from(text, 'base64').toString();

/** The end of the range of all keys that begin so; a prefix ends in an ASCII character. */
export const endOf = (prefix: string): string =>
  encode(`${prefix.slice(0, -1)}${String.fromCharCode(prefix.charCodeAt(prefix.length - 1) + 1)}`);

const number = z.coerce.number().int().default(0);
const header = z.object({ revision: number }).prefault({});
const entry = z
  .object({ key: z.string().default(''), value: z.string().default(''), mod_revision: number })
  .transform(
    ({ key, value, mod_revision }): StoreEntry => ({
      key: decode(key),
      value: decode(value),
      revision: mod_revision,
    }),
  );

export const rangeSchema = z.object({ header, kvs: z.array(entry).default([]) });
export const txnSchema = z.object({
  succeeded: z.boolean().default(false),
  responses: z
    .array(z.object({ response_range: z.object({ kvs: z.array(entry).default([]) }).optional() }))
    .default([]),
});
export const statusSchema = z.object({ leader: z.string().default('0') });

const change = z
  .object({ type: z.enum(['PUT', 'DELETE']).default('PUT'), kv: entry })
  .transform(
    ({ type, kv }): StoreChange =>
      type === 'PUT' ? { kind: 'put', entry: kv } : { kind: 'remove', key: kv.key },
  );
/** One line of the stream of /v3/watch. */
export const watchLineSchema = z.object({
  result: z
    .object({
      created: z.boolean().default(false),
      canceled: z.boolean().default(false),
      events: z.array(change).default([]),
    })
    .optional(),
});

export const txnOf = (guards: readonly StoreGuard[], writes: readonly StoreWrite[]) => ({
  compare: guards.map(({ key, revision }) => ({
    key: encode(key),
    target: 'MOD',
    result: 'EQUAL',
    mod_revision: String(revision),
  })),
  success: writes.map((write) =>
    'remove' in write
      ? { request_delete_range: { key: encode(write.key) } }
      : { request_put: { key: encode(write.key), value: encode(write.value) } },
  ),
  failure: [],
});

export const readOf = (keys: readonly string[]) => ({
  compare: [],
  success: keys.map((key) => ({ request_range: { key: encode(key) } })),
  failure: [],
});
