import type { FakeStore, StoredKey } from './store.ts';

/** The gateway's unary calls on the fake's store. Default values are left out, as the real one does. */
export type Wire = Record<string, unknown>;
export type Answer = { status: number; body: Wire };
export type Identity = { clusterId: string; memberId: string; leaderId: string | undefined };

export const header = (identity: Identity, store: FakeStore): Wire => ({
  cluster_id: identity.clusterId,
  member_id: identity.memberId,
  revision: String(store.revision),
  raft_term: '2',
});

export const wireKey = (kv: StoredKey): Wire => ({
  key: kv.key,
  mod_revision: String(kv.modRevision),
  ...(kv.createRevision === 0 ? {} : { create_revision: String(kv.createRevision) }),
  ...(kv.version === 0 ? {} : { version: String(kv.version) }),
  ...(kv.value === '' ? {} : { value: kv.value }),
  ...(kv.lease === '0' ? {} : { lease: kv.lease }),
});

export const refusal = (status: number, code: number, message: string): Answer => ({
  status,
  body: { error: message, message, code },
});

const asText = (value: unknown, fallback = ''): string => (typeof value === 'string' ? value : fallback);
const asWire = (value: unknown): Wire => (typeof value === 'object' && value !== null ? { ...value } : {});
const asList = (value: unknown): Wire[] => (Array.isArray(value) ? value.map(asWire) : []);

const noLease = () => refusal(404, 5, 'etcdserver: requested lease not found');

function holds(store: FakeStore, compare: Wire): boolean {
  const kv = store.get(asText(compare['key']));
  const wanted = asText(compare['mod_revision'] ?? compare['create_revision'], '0');
  switch (compare['target']) {
    case 'VALUE':
      return kv !== undefined && kv.value === asText(compare['value']);
    case 'MOD':
      return String(kv?.modRevision ?? 0) === wanted;
    case 'CREATE':
      return compare['result'] === 'GREATER'
        ? (kv?.createRevision ?? 0) > Number(wanted)
        : String(kv?.createRevision ?? 0) === wanted;
    default:
      throw new Error(`the fake knows no compare target ${String(compare['target'])}`);
  }
}

function operate(store: FakeStore, operation: Wire): Wire {
  const put = operation['request_put'];
  if (put !== undefined) {
    const { key, value, lease } = asWire(put);
    store.put(asText(key), asText(value), asText(lease, '0'));
    return { response_put: {} };
  }
  const range = operation['request_range'];
  if (range !== undefined) {
    const { key, range_end } = asWire(range);
    return { response_range: { kvs: store.range(asText(key), asText(range_end)).map(wireKey) } };
  }
  const { key, range_end } = asWire(operation['request_delete_range']);
  return { response_delete_range: { deleted: String(store.remove(asText(key), asText(range_end))) } };
}

/** Undefined: no such path. */
export function answer(store: FakeStore, identity: Identity, path: string, body: Wire): Answer | undefined {
  const ok = (rest: Wire): Answer => ({ status: 200, body: { header: header(identity, store), ...rest } });
  const key = asText(body['key']);
  const lease = asText(body['ID'], '0');
  switch (path) {
    case '/v3/kv/range': {
      const kvs = store.range(key, asText(body['range_end']));
      return ok(kvs.length === 0 ? {} : { kvs: kvs.map(wireKey), count: String(kvs.length) });
    }
    case '/v3/kv/put': {
      const wanted = asText(body['lease'], '0');
      if (wanted !== '0' && !store.leases.has(wanted)) return noLease();
      store.put(key, asText(body['value']), wanted);
      return ok({});
    }
    case '/v3/kv/deleterange': {
      const deleted = store.remove(key, asText(body['range_end']));
      return ok(deleted === 0 ? {} : { deleted: String(deleted) });
    }
    case '/v3/kv/txn': {
      const succeeded = asList(body['compare']).every((compare) => holds(store, compare));
      const operations = asList(body[succeeded ? 'success' : 'failure']);
      const responses = store.atomically(() => operations.map((one) => operate(store, one)));
      return ok({ ...(succeeded ? { succeeded } : {}), ...(responses.length === 0 ? {} : { responses }) });
    }
    case '/v3/lease/grant': {
      const id = String(1000 + store.leases.size);
      store.leases.set(id, Number(body['TTL']));
      return ok({ ID: id, TTL: String(body['TTL']) });
    }
    case '/v3/lease/keepalive': {
      const ttl = store.leases.get(lease);
      const result = { header: header(identity, store), ID: lease };
      return { status: 200, body: { result: ttl === undefined ? result : { ...result, TTL: String(ttl) } } };
    }
    case '/v3/lease/revoke':
      if (!store.leases.delete(lease)) return noLease();
      for (const kv of store.range('AA==', 'AA==')) if (kv.lease === lease) store.remove(kv.key, undefined);
      return ok({});
    case '/v3/maintenance/status':
      return ok({
        version: '3.5.16',
        dbSize: '24576',
        ...(identity.leaderId === undefined ? {} : { leader: identity.leaderId }),
      });
    default:
      return undefined;
  }
}
