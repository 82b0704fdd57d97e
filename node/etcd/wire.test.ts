import * as assert from 'uvu/assert';
import { suite } from '../../test/support/suite.ts';
import { gatewayFailure, networkFailure } from './failure.ts';
import { makeLineSplitter } from './lines.ts';
import { decode, prefixEnd, statusReplySchema, watchLineSchema } from './wire.ts';

const test = suite('etcd wire');

test('the end of a prefix', () => {
  assert.is(decode(prefixEnd('/a/')), '/a0');
  assert.equal([...Buffer.from(prefixEnd('a\u007f'), 'base64')], [0x61, 0x80]);
  assert.equal([...Buffer.from(prefixEnd(''), 'base64')], [0]);
});

test('a line of a watch, as etcd 3.5 writes it', () => {
  const line =
    '{"result":{"header":{"cluster_id":"12101053776118486841","member_id":"1","revision":"7","raft_term":"2"},' +
    '"events":[{"kv":{"key":"L2E=","create_revision":"2","mod_revision":"6","version":"5","value":"NA=="}},' +
    '{"type":"DELETE","kv":{"key":"L2E=","mod_revision":"7"}}]}}';
  const { result } = watchLineSchema.parse(JSON.parse(line));
  assert.equal(result?.events, [
    { kind: 'put', kv: { key: '/a', value: '4', createRevision: 2, modRevision: 6, version: 5 } },
    { kind: 'delete', key: '/a', revision: 7 },
  ]);
});

test('a member without a leader', () => {
  const status = statusReplySchema.parse({ header: { member_id: '15985099378392235387' }, leader: '0' });
  assert.is(status.leaderId, undefined);
  assert.is(status.memberId, '15985099378392235387');
});

test('lines, however the bytes are cut', () => {
  const bytes = new TextEncoder().encode('{"a":"✓"}\n\n{"b":"日本"}\n{"rest');
  for (let size = 1; size <= bytes.length; size += 1) {
    const splitter = makeLineSplitter();
    const lines: string[] = [];
    for (let at = 0; at < bytes.length; at += size)
      lines.push(...splitter.push(bytes.subarray(at, at + size)));
    assert.equal(lines, ['{"a":"✓"}', '{"b":"日本"}'], `pieces of ${size}`);
    assert.is(splitter.rest(), '{"rest');
  }
});

test('failures are sorted by what they mean for the caller', () => {
  const kind = (status: number, code: number, message: string) =>
    gatewayFailure(status, JSON.stringify({ error: message, message, code })).kind;
  assert.is(kind(503, 14, 'etcdserver: no leader'), 'not-applied');
  assert.is(kind(503, 14, 'etcdserver: request timed out'), 'unknown');
  assert.is(kind(503, 14, 'etcdserver: leader changed'), 'unknown');
  assert.is(kind(429, 8, 'etcdserver: too many requests'), 'not-applied');
  assert.is(kind(429, 8, 'etcdserver: mvcc: database space exceeded'), 'refused');
  assert.is(kind(404, 5, 'etcdserver: requested lease not found'), 'refused');
  assert.is(gatewayFailure(502, '<html>').kind, 'unknown');
  assert.is(networkFailure(Object.assign(new Error('x'), { code: 'ECONNREFUSED' })).kind, 'not-applied');
  assert.is(networkFailure(Object.assign(new Error('x'), { code: 'ECONNRESET' })).kind, 'unknown');
  assert.is(
    networkFailure(Object.assign(new Error('x'), { code: 'ERR_TLS_CERT_ALTNAME_INVALID' })).kind,
    'not-applied',
  );
});

test.run();
