import * as assert from 'uvu/assert';
import { certificateRequest, privateKeyToPem } from '../../node/identity/certificate.ts';
import { joinHost } from '../../test/fakes/hosts/handlers-pairing.ts';
import { makeFakeWorld } from '../../test/fakes/hosts/model.ts';
import { alikeHosts } from '../../test/fakes/hosts/practice.ts';
import { serveHost } from '../../test/fakes/hosts/serve.ts';
import { suite } from '../../test/support/suite.ts';
import { issue, makeAuthority, sign } from '../pki/authority.ts';
import { makeHosts } from './hosts.ts';

const test = suite('ways to agents');
const now = new Date();

/** A joined host behind real TLS, with the certificates that formation makes. */
async function setUp() {
  const world = await makeFakeWorld(alikeHosts(2));
  const [host, other] = world.hosts;
  if (host === undefined || other === undefined) throw new Error('two hosts are needed');
  const authority = await makeAuthority('practice', now);
  const csr = await certificateRequest(host.id, host.keys);
  const certificate = await sign(
    authority,
    csr,
    { id: host.id, role: 'host', names: ['10.77.0.11'], days: 1 },
    now,
  );
  joinHost(world, host, {
    clusterId: '00000000-0000-4000-8000-000000000001',
    clusterName: 'practice',
    hostName: 'host1',
    certificate,
    caCertificate: authority.certificate,
  });
  const key = await privateKeyToPem(host.keys.privateKey);
  const served = await serveHost(world, host, { ca: authority.certificate, certificate, key });
  const leaf = await issue(authority, { id: 'installer', role: 'installer', names: [], days: 1 }, now);
  const identity = { ca: authority.certificate, ...leaf };
  return { world, host, other, served, identity, hosts: makeHosts({ port: served.port }) };
}
const failed = (promise: Promise<unknown>) =>
  promise.then(
    () => undefined,
    (error) => error,
  );

test('the host is known by its id, whatever its address', async () => {
  const { host, other, served, identity, hosts } = await setUp();
  const target = { id: host.id, name: 'host1', addresses: ['127.0.0.1'] };
  assert.is((await hosts.remote(target, identity).call('getHost')).name, 'host1');
  const stranger = await failed(hosts.remote({ ...target, id: other.id }, identity).call('getHost'));
  assert.is(stranger?.code, 'host.unreachable');
  await served.close();
});

test('a host of another cluster is a stranger', async () => {
  const { host, served, hosts } = await setUp();
  const elsewhere = await setUp();
  const { identity } = elsewhere;
  const target = { id: host.id, name: 'host1', addresses: ['127.0.0.1'] };
  assert.is((await failed(hosts.remote(target, identity).call('getHost')))?.code, 'host.not-ours');
  await served.close();
  await elsewhere.served.close();
});

test('an address that does not answer is passed over, and the good one is kept', async () => {
  const { host, served, identity, hosts } = await setUp();
  const target = { id: host.id, name: 'host1', addresses: ['127.0.0.9', '127.0.0.1'] };
  const client = hosts.remote(target, identity);
  assert.is((await client.call('getHost')).name, 'host1');
  assert.is((await client.call('getHost')).name, 'host1');
  await served.close();
  const error = await failed(client.call('getHost'));
  assert.is(error?.code, 'host.unreachable');
  assert.match(error?.message, 'host1 cannot be reached at 127.0.0.1');
});

test('anybody may be asked who he is; the answer is checked', async () => {
  const { host, served, hosts } = await setUp();
  const seen = await hosts.announcement('127.0.0.1', 'host1');
  assert.is(seen.id, host.id);
  assert.is(seen.state, 'joined');
  await served.close();
});

test('refusals arrive as the host said them', async () => {
  const { host, served, identity, hosts } = await setUp();
  const client = hosts.remote({ id: host.id, name: 'host1', addresses: ['127.0.0.1'] }, identity);
  const error = await failed(
    client.call('putMount', { params: { name: 'data' }, body: { generation: 1, servers: ['10.77.1.11'] } }),
  );
  assert.is(error?.code, 'volume.missing');
  await served.close();
});

test.run();
