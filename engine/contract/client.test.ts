import * as assert from 'uvu/assert';
import { AppError } from '../../node/contract/error.ts';
import { refused } from '../../test/support/refused.ts';
import { suite } from '../../test/support/suite.ts';
import { type EngineRequest, makeEngineClient, makeFetchSend } from './client.ts';

const test = suite('engine client');

const page = { items: [], total: 0 };
const recorder = (status: number, body: unknown) => {
  const seen: EngineRequest[] = [];
  const client = makeEngineClient(async (request) => {
    seen.push(request);
    return { status, body };
  });
  return { seen, client };
};

test('fills the path and the query, and parses the reply', async () => {
  const { seen, client } = recorder(200, page);
  assert.equal(await client.call('listVms', { query: { search: 'a b', limit: 5 } }), page);
  assert.is(seen[0]?.path, '/api/v1/vms?search=a+b&limit=5');
  await client.call('listHosts');
  assert.is(seen[1]?.path, '/api/v1/hosts');
});

test('a path parameter cannot leave its segment', async () => {
  const { seen, client } = recorder(200, 'text');
  await client.call('getSerialLog', { params: { id: '../x?y' } });
  assert.is(seen[0]?.path, '/api/v1/vms/..%2Fx%3Fy/serial-log');
});

test('throws what the engine refused, with its code and remedy', async () => {
  const refusal = new AppError({
    code: 'vm.not-running',
    family: 'conflict',
    message: 'No.',
    remedy: 'Start it.',
  });
  const { client } = recorder(409, refusal.toBody());
  const error = await refused(client.call('startVm', { params: { id: 'x' } }));
  assert.is(error.code, 'vm.not-running');
  assert.is(error.remedy, 'Start it.');
});

test('a reply that is not of the contract is told as unreadable', async () => {
  const { client } = recorder(200, { items: 'no' });
  assert.is((await refused(client.call('listVms'))).code, 'engine.unreadable');
});

test('health is an answer also while the engine is not ready', async () => {
  const { client } = recorder(503, { state: 'database-down', version: '1' });
  assert.is((await client.call('getHealth')).state, 'database-down');
});

test('fetch sends the token, the CSRF token with changes, and JSON', async () => {
  const seen: Array<{ url: string; init: RequestInit }> = [];
  const send = makeFetchSend({
    baseUrl: 'https://engine',
    token: () => 't',
    csrfToken: () => 'c',
    fetch: async (url, init) => {
      seen.push({ url: String(url), init: init ?? {} });
      return Response.json(page);
    },
  });
  const client = makeEngineClient(send);
  await client.call('listVms');
  const first = new Headers(seen[0]?.init.headers);
  assert.is(first.get('authorization'), 'Bearer t');
  assert.is(first.get('x-trefoil-csrf'), null);
  await refused(client.call('createSession', { body: { name: 'a', password: 'b' } }));
  assert.is(new Headers(seen[1]?.init.headers).get('x-trefoil-csrf'), 'c');
  assert.is(seen[1]?.init.body, '{"name":"a","password":"b"}');
});

test('an engine that does not answer is unavailable, not a bug', async () => {
  const send = makeFetchSend({
    fetch: async () => {
      throw new TypeError('fetch failed');
    },
  });
  const error = await refused(makeEngineClient(send).call('listVms'));
  assert.is(error.code, 'engine.unreachable');
  assert.is(error.family, 'unavailable');
});

test.run();
