import type { z } from 'zod';
import { type Caller, type CallOptions, type EtcdEnv, type EtcdOptions, makeCaller } from './call.ts';
import {
  alarmReplySchema,
  deleteReplySchema,
  encode,
  type KeyValue,
  leaseGrantReplySchema,
  leaseKeepAliveReplySchema,
  leaseRevokeReplySchema,
  leaseTimeToLiveReplySchema,
  type Member,
  type MemberStatus,
  memberAddReplySchema,
  memberListReplySchema,
  prefixEnd,
  putReplySchema,
  rangeReplySchema,
  statusReplySchema,
  txnReplySchema,
} from './wire.ts';

/** What must hold for a transaction's `do`; revision 0: the key does not exist. */
export type Compare =
  | { key: string; modRevision: number }
  | { key: string; createRevision: number }
  | { key: string; value: string }
  | { key: string; exists: boolean };
export type Operation =
  | { put: string; value: string; lease?: string }
  | { get: string }
  | { delete: string; prefix?: boolean };
export type TxnResult = { succeeded: boolean; revision: number; gets: (KeyValue | undefined)[] };
export type RangeResult = { revision: number; clusterId: string; kvs: KeyValue[] };

/** Called by name so that a module can ask for just what it uses: `Pick<EtcdClient, 'get' | 'txn'>`. */
export type EtcdClient = {
  get(key: string, options?: CallOptions & { serializable?: boolean }): Promise<KeyValue | undefined>;
  range(prefix: string, options?: CallOptions & { serializable?: boolean }): Promise<RangeResult>;
  /**
   * Sets a key whatever it was. Repeated when an outcome is not known, so it is for keys with one writer; where
   * several write, compare with `txn`.
   */
  put(key: string, value: string, options?: CallOptions & { lease?: string }): Promise<{ revision: number }>;
  delete(key: string, options?: CallOptions & { prefix?: boolean }): Promise<{ deleted: number }>;
  /** Never repeated by itself: may throw `etcd.outcome-unknown`. */
  txn(
    txn: { when: readonly Compare[]; do: readonly Operation[]; otherwise?: readonly Operation[] },
    options?: CallOptions,
  ): Promise<TxnResult>;

  leaseGrant(ttlSeconds: number, options?: CallOptions): Promise<{ id: string; ttlSeconds: number }>;
  /** `ttlSeconds` 0: the lease is gone */
  leaseKeepAlive(id: string, options?: CallOptions): Promise<{ ttlSeconds: number }>;
  /** revoking one that is gone is success */
  leaseRevoke(id: string, options?: CallOptions): Promise<void>;
  /** -1: the lease is gone */
  leaseTimeToLive(id: string, options?: CallOptions): Promise<{ ttlSeconds: number }>;

  members(options?: CallOptions): Promise<Member[]>;
  memberAdd(peerUrl: string, options: CallOptions & { learner: boolean }): Promise<Member>;
  memberPromote(id: string, options?: CallOptions): Promise<void>;
  memberRemove(id: string, options?: CallOptions): Promise<void>;
  /** of one member, asked directly */
  status(endpoint: string, options?: CallOptions): Promise<MemberStatus>;
  alarms(options?: CallOptions): Promise<{ memberId: string; alarm: 'NOSPACE' | 'CORRUPT' }[]>;
  /** gives back the space of deleted data, one member at a time: it serves nothing meanwhile */
  defragment(endpoint: string, options?: CallOptions): Promise<void>;
  clearAlarm(memberId: string, alarm: 'NOSPACE' | 'CORRUPT', options?: CallOptions): Promise<void>;

  readonly env: EtcdEnv;
  readonly caller: Caller;
  close(): Promise<void>;
};

const wireCompare = (compare: Compare) => {
  const key = encode(compare.key);
  if ('modRevision' in compare)
    return { key, target: 'MOD', result: 'EQUAL', mod_revision: String(compare.modRevision) };
  if ('createRevision' in compare)
    return { key, target: 'CREATE', result: 'EQUAL', create_revision: String(compare.createRevision) };
  if ('value' in compare) return { key, target: 'VALUE', result: 'EQUAL', value: encode(compare.value) };
  return { key, target: 'CREATE', result: compare.exists ? 'GREATER' : 'EQUAL', create_revision: '0' };
};

const wireDelete = (key: string, prefix: boolean | undefined) => ({
  key: encode(key),
  ...(prefix === true ? { range_end: prefixEnd(key) } : {}),
});

const wirePut = (key: string, value: string, lease: string | undefined) => ({
  key: encode(key),
  value: encode(value),
  ...(lease === undefined ? {} : { lease }),
});

const wireOperation = (operation: Operation) => {
  if ('put' in operation) return { request_put: wirePut(operation.put, operation.value, operation.lease) };
  if ('get' in operation) return { request_range: { key: encode(operation.get) } };
  return { request_delete_range: wireDelete(operation.delete, operation.prefix) };
};

const isMissing = (error: unknown): boolean =>
  typeof error === 'object' && error !== null && 'code' in error && error.code === 'etcd.not-found';

export function makeEtcdClient(env: EtcdEnv, options: EtcdOptions): EtcdClient {
  const caller = makeCaller(env, options);
  const ask = <S extends z.ZodType>(path: string, body: unknown, reply: S, call?: CallOptions) =>
    caller.call({ path, body, reply, repeat: 'repeatable' }, call);
  const once = <S extends z.ZodType>(path: string, body: unknown, reply: S, call?: CallOptions) =>
    caller.call({ path, body, reply, repeat: 'once' }, call);

  return {
    env,
    caller,
    close: () => env.transport.close(),

    async get(key, call) {
      const body = { key: encode(key), serializable: call?.serializable ?? false };
      return (await ask('/v3/kv/range', body, rangeReplySchema, call)).kvs[0];
    },
    async range(prefix, call) {
      const body = {
        key: encode(prefix),
        range_end: prefixEnd(prefix),
        serializable: call?.serializable ?? false,
      };
      const reply = await ask('/v3/kv/range', body, rangeReplySchema, call);
      return { revision: reply.header.revision, clusterId: reply.header.cluster_id, kvs: reply.kvs };
    },
    async put(key, value, call) {
      const reply = await ask('/v3/kv/put', wirePut(key, value, call?.lease), putReplySchema, call);
      return { revision: reply.header.revision };
    },
    async delete(key, call) {
      const body = wireDelete(key, call?.prefix);
      return { deleted: (await ask('/v3/kv/deleterange', body, deleteReplySchema, call)).deleted };
    },
    async txn(txn, call) {
      const body = {
        compare: txn.when.map(wireCompare),
        success: txn.do.map(wireOperation),
        failure: (txn.otherwise ?? []).map(wireOperation),
      };
      const reply = await once('/v3/kv/txn', body, txnReplySchema, call);
      return {
        succeeded: reply.succeeded,
        revision: reply.header.revision,
        gets: reply.responses.flatMap((one) =>
          one.response_range === undefined ? [] : [one.response_range.kvs[0]],
        ),
      };
    },

    async leaseGrant(ttlSeconds, call) {
      // repeated after an unknown outcome: the lease that nobody knows ends by itself
      const reply = await ask('/v3/lease/grant', { TTL: String(ttlSeconds) }, leaseGrantReplySchema, call);
      return { id: reply.ID, ttlSeconds: reply.TTL };
    },
    async leaseKeepAlive(id, call) {
      const reply = await ask('/v3/lease/keepalive', { ID: id }, leaseKeepAliveReplySchema, call);
      return { ttlSeconds: reply.result.TTL };
    },
    async leaseRevoke(id, call) {
      try {
        await ask('/v3/lease/revoke', { ID: id }, leaseRevokeReplySchema, call);
      } catch (error) {
        if (!isMissing(error)) throw error;
      }
    },
    async leaseTimeToLive(id, call) {
      const reply = await ask('/v3/lease/timetolive', { ID: id }, leaseTimeToLiveReplySchema, call);
      return { ttlSeconds: reply.TTL };
    },

    async members(call) {
      // `linearizable` is known from 3.5 on; 3.4 answers from its own view and ignores it
      const body = { linearizable: true };
      return (await ask('/v3/cluster/member/list', body, memberListReplySchema, call)).members;
    },
    async memberAdd(peerUrl, call) {
      const body = { peerURLs: [peerUrl], isLearner: call.learner };
      return (await once('/v3/cluster/member/add', body, memberAddReplySchema, call)).member;
    },
    async memberPromote(id, call) {
      await once('/v3/cluster/member/promote', { ID: id }, memberListReplySchema, call);
    },
    async memberRemove(id, call) {
      try {
        await once('/v3/cluster/member/remove', { ID: id }, memberListReplySchema, call);
      } catch (error) {
        if (!isMissing(error)) throw error;
      }
    },
    status: (endpoint, call) =>
      caller.callAt(endpoint, { path: '/v3/maintenance/status', body: {}, reply: statusReplySchema }, call),
    async alarms(call) {
      const reply = await ask('/v3/maintenance/alarm', { action: 'GET' }, alarmReplySchema, call);
      return reply.alarms.flatMap(({ memberID, alarm }) =>
        alarm === 'NONE' ? [] : [{ memberId: memberID, alarm }],
      );
    },
    async defragment(endpoint, call) {
      await caller.callAt(
        endpoint,
        { path: '/v3/maintenance/defragment', body: {}, reply: putReplySchema },
        { deadlineMs: 60_000, ...call },
      );
    },
    async clearAlarm(memberId, alarm, call) {
      const body = { action: 'DEACTIVATE', memberID: memberId, alarm };
      await ask('/v3/maintenance/alarm', body, alarmReplySchema, call);
    },
  };
}
