import { z } from 'zod';

/**
 * etcd's JSON gateway on the wire. Keys and values are base64, 64-bit numbers are strings, and every field that has
 * its default value is left out, so that all of them are optional here:
 *
 *   POST /v3/kv/range {"key":"L2E="}
 *   {"header":{"cluster_id":"12101053776118486841","member_id":"15985099378392235387","revision":"2","raft_term":"2"},
 *    "kvs":[{"key":"L2E=","create_revision":"2","mod_revision":"2","version":"1","value":"MQ=="}],"count":"1"}
 *
 * Revisions, sizes and counts stay far below 2^53 and become numbers. Ids of members, leases and clusters use all 64
 * bits and stay strings.
 */
export const encode = (text: string): string => Buffer.from(text, 'utf8').toString('base64');
export const decode = (base64: string): string => Buffer.from(base64, 'base64').toString('utf8');

/** The end of the range that holds every key with this prefix. */
export function prefixEnd(prefix: string): string {
  const bytes = Buffer.from(prefix, 'utf8');
  for (let index = bytes.length - 1; index >= 0; index -= 1) {
    const byte = bytes[index] ?? 0xff;
    if (byte === 0xff) continue;
    const end = Buffer.from(bytes.subarray(0, index + 1));
    end[index] = byte + 1;
    return end.toString('base64');
  }
  return Buffer.from([0]).toString('base64'); // all keys
}

const count = z.coerce.number().int().default(0);
const id = z.coerce.string().default('0');
const text = z.string().default('');
const flag = z.boolean().default(false);

export const headerSchema = z
  .object({ cluster_id: id, member_id: id, revision: count, raft_term: count })
  .prefault({});

const keyValueSchema = z
  .object({
    key: text,
    value: text,
    create_revision: count,
    mod_revision: count,
    version: count,
    lease: id,
  })
  .transform((wire) => ({
    key: decode(wire.key),
    value: decode(wire.value),
    createRevision: wire.create_revision,
    modRevision: wire.mod_revision,
    version: wire.version,
    ...(wire.lease === '0' ? {} : { lease: wire.lease }),
  }));
/** One key as it was at `modRevision`. */
export type KeyValue = z.output<typeof keyValueSchema>;

export const rangeReplySchema = z.object({
  header: headerSchema,
  kvs: z.array(keyValueSchema).default([]),
  more: flag,
  count,
});
export const putReplySchema = z.object({ header: headerSchema });
export const deleteReplySchema = z.object({ header: headerSchema, deleted: count });
const txnItemSchema = z.object({
  response_range: z.object({ kvs: z.array(keyValueSchema).default([]) }).optional(),
  response_put: z.unknown().optional(),
  response_delete_range: z.object({ deleted: count }).optional(),
});
export const txnReplySchema = z.object({
  header: headerSchema,
  succeeded: flag,
  responses: z.array(txnItemSchema).default([]),
});

export const leaseGrantReplySchema = z.object({ header: headerSchema, ID: id, TTL: count });
export const leaseRevokeReplySchema = z.object({ header: headerSchema });
export const leaseKeepAliveReplySchema = z.object({
  result: z.object({ header: headerSchema, ID: id, TTL: count }),
});
export const leaseTimeToLiveReplySchema = z.object({ ID: id, TTL: count, grantedTTL: count });

const eventSchema = z
  .object({ type: z.enum(['PUT', 'DELETE']).default('PUT'), kv: keyValueSchema })
  .transform((wire) =>
    wire.type === 'PUT'
      ? { kind: 'put' as const, kv: wire.kv }
      : { kind: 'delete' as const, key: wire.kv.key, revision: wire.kv.modRevision },
  );
export type WatchEvent = z.output<typeof eventSchema>;

/** One line of the stream of /v3/watch. */
export const watchLineSchema = z.object({
  result: z
    .object({
      header: headerSchema,
      created: flag,
      canceled: flag,
      compact_revision: count,
      cancel_reason: text,
      events: z.array(eventSchema).default([]),
    })
    .optional(),
  error: z.object({ message: text, grpc_code: z.number().optional() }).optional(),
});

const memberSchema = z
  .object({
    ID: id,
    name: text,
    peerURLs: z.array(z.string()).default([]),
    clientURLs: z.array(z.string()).default([]),
    isLearner: flag,
  })
  .transform(({ ID, ...rest }) => ({ id: ID, ...rest }));
/** `name` is empty while a member was added and never started. */
export type Member = z.output<typeof memberSchema>;
export const memberListReplySchema = z.object({
  header: headerSchema,
  members: z.array(memberSchema).default([]),
});
export const memberAddReplySchema = z.object({
  header: headerSchema,
  member: memberSchema,
  members: z.array(memberSchema).default([]),
});

export const statusReplySchema = z
  .object({
    header: headerSchema,
    version: text,
    dbSize: count,
    dbSizeInUse: count,
    leader: id,
    raftIndex: count,
    raftTerm: count,
    raftAppliedIndex: count,
    isLearner: flag,
    errors: z.array(z.string()).default([]),
  })
  .transform(({ header, leader, ...rest }) => ({
    ...rest,
    memberId: header.member_id,
    clusterId: header.cluster_id,
    ...(leader === '0' ? {} : { leaderId: leader }),
  }));
/** What one member says of itself; no `leaderId`: it knows no leader and can serve no write. */
export type MemberStatus = z.output<typeof statusReplySchema>;

export const alarmReplySchema = z.object({
  alarms: z
    .array(z.object({ memberID: id, alarm: z.enum(['NONE', 'NOSPACE', 'CORRUPT']).default('NONE') }))
    .default([]),
});

/** How the gateway says no: `{"error":"etcdserver: ...","message":"...","code":5}`, inside a stream `{"error":{...}}`. */
export const gatewayErrorSchema = z
  .object({
    error: z.union([z.string(), z.object({ message: text, grpc_code: z.number().optional() })]).optional(),
    message: z.string().optional(),
    code: z.number().optional(),
  })
  .transform((wire) => {
    const inner = typeof wire.error === 'object' ? wire.error : undefined;
    return {
      message: wire.message ?? inner?.message ?? (typeof wire.error === 'string' ? wire.error : ''),
      code: wire.code ?? inner?.grpc_code,
    };
  });
