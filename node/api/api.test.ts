import { randomUUID } from 'node:crypto';
import { stat } from 'node:fs/promises';
import { connect as tlsConnect } from 'node:tls';
import * as assert from 'uvu/assert';
import { type Answer, clientOf, type Doors, localClient, openDoors } from '../../test/fakes/doors.ts';
import { makeTestCa, type TestCa, type TestCertificate } from '../../test/support/certificates.ts';
import { eventually } from '../../test/support/eventually.ts';
import { suite } from '../../test/support/suite.ts';
import { fillPath } from '../contract/client.ts';
import { type NodeRoute, nodeRoutes } from '../contract/routes.ts';

/** The agent's doors with real TLS on loopback and handlers that do nothing. */
const test = suite('api', { deadlineMs: 20_000 });
const open: Doors[] = [];
let ca: TestCa;
let otherCa: TestCa;
test.before(async () => {
  ca = await makeTestCa('this cluster');
  otherCa = await makeTestCa('another cluster');
});
test.afterEach(async () => {
  for (const doors of open.splice(0)) await doors.close();
});

async function openWorld(options: Parameters<typeof openDoors>[1] = {}): Promise<Doors> {
  const doors = await openDoors(ca, options);
  open.push(doors);
  return doors;
}

const routes = Object.entries(nodeRoutes) as [string, NodeRoute][];
const besides: readonly NodeRoute[] = [
  { method: 'GET', path: '/v1/vms/{id}/serial-log', roles: ['engine', 'installer'] },
  { method: 'PUT', path: '/v1/images/{id}', roles: ['engine', 'installer'] },
];
const pathOf = (route: NodeRoute) => fillPath(route.path, { id: randomUUID(), name: 'data' });
const isDenied = ({ status }: Answer) => status === 401 || status === 403;

test('every route, every role: allowed when the table says so, denied else', async () => {
  const world = await openWorld();
  for (const role of ['engine', 'host', 'installer'] as const) {
    const ask = clientOf(world, await ca.issue({ role }));
    for (const [name, route] of [...routes, ...besides.map((one) => [one.path, one] as const)]) {
      if (name === 'leave') continue;
      const answer = await ask(route.method, pathOf(route));
      const what = `${role} ${name} ${answer.status} ${answer.code}`;
      assert.is(isDenied(answer), !route.roles.includes(role), what);
      if (!route.roles.includes(role)) assert.is(answer.code, 'caller.wrong-role', what);
    }
  }
});

test('no certificate, one of another authority, an expired one, one without a role: all denied everywhere', async () => {
  const world = await openWorld();
  const strangers: Record<string, TestCertificate | undefined> = {
    none: undefined,
    other: await otherCa.issue({ role: 'engine' }),
    expired: await ca.issue({ role: 'engine', notAfter: new Date(Date.now() - 60_000) }),
    'no role': await ca.issue({ role: 'root' }),
    'two roles': await ca.issue({ role: 'host, OU=engine' }),
  };
  for (const [what, certificate] of Object.entries(strangers)) {
    const ask = clientOf(world, certificate);
    for (const [name, route] of routes) {
      const answer = await ask(route.method, pathOf(route), '{}');
      assert.is(answer.status, 401, `${what} ${name}`);
      assert.is(answer.code, 'caller.unknown', `${what} ${name}`);
    }
    assert.is((await ask('GET', '/v1/events')).status, 401);
  }
});

test('an unjoined host takes no orders from the network, whatever the certificate', async () => {
  const world = await openWorld({ joined: false });
  for (const certificate of [undefined, await ca.issue({ role: 'engine' }), world.identity.tls()]) {
    const ask = clientOf(world, certificate);
    for (const [name, route] of routes) {
      const answer = await ask(route.method, pathOf(route), '{}');
      assert.is(answer.code, 'host.unjoined', name);
      assert.is(answer.status, 403, name);
    }
    assert.is((await ask('GET', '/local/v1/pairing')).status, 404);
  }
});

test('root on the unix socket may do all that an installer may, joined or not', async () => {
  for (const joined of [true, false]) {
    const world = await openWorld({ joined });
    assert.is((await stat(world.socketPath)).mode & 0o777, 0o600);
    const ask = localClient(world);
    for (const [name, route] of routes) {
      if (name === 'leave') continue;
      const answer = await ask(route.method, pathOf(route), '{}');
      assert.is(isDenied(answer), !route.roles.includes('installer'), `${joined} ${name}`);
    }
  }
});

test('the first host joins by its unix socket; the network then knows its cluster without a restart', async () => {
  const world = await openWorld({ joined: false });
  const local = localClient(world);
  assert.match((await local('GET', '/local/v1/pairing')).text, /"code":"ABCD-EFGH"/);
  const engine = clientOf(world, await ca.issue({ role: 'engine' }));
  assert.is((await engine('GET', '/v1/units')).code, 'host.unjoined');
  const { csr } = JSON.parse((await local('POST', '/local/v1/csr')).text);
  const join = {
    clusterId: randomUUID(),
    clusterName: 'office',
    hostName: 'host1',
    certificate: await ca.sign(csr, { id: world.identity.id, role: 'host' }),
    caCertificate: ca.certificate,
  };
  assert.is((await local('POST', '/local/v1/join', '{"hostName":"x"}')).code, 'request.invalid');
  assert.is((await local('POST', '/local/v1/join', JSON.stringify(join))).status, 204);
  await eventually('the engine is known', async () => (await engine('GET', '/v1/units')).status === 200);
  assert.is((await local('GET', '/local/v1/pairing')).code, 'pairing.already-joined');
});

test('after leaving, what was open is closed and the old cluster has no say', async () => {
  const world = await openWorld();
  const engine = clientOf(world, await ca.issue({ role: 'engine' }));
  assert.is((await engine('GET', '/v1/units')).status, 200);
  assert.is((await engine('POST', '/v1/leave')).status, 204);
  assert.is((await engine('GET', '/v1/units')).code, 'host.unjoined');
  await eventually('a new connection meets the unjoined host', async () => {
    const fresh = clientOf(world, await ca.issue({ role: 'engine' }));
    return (await fresh('GET', '/v1/units')).code === 'host.unjoined';
  });
});

test('only TLS 1.3 is spoken and no session is resumed', async () => {
  const world = await openWorld();
  const certificate = await ca.issue({ role: 'engine' });
  const handshake = (maxVersion: 'TLSv1.2' | 'TLSv1.3') =>
    new Promise<{ protocol: string; tickets: number }>((resolve, reject) => {
      let tickets = 0;
      const socket = tlsConnect({
        host: '127.0.0.1',
        port: world.port,
        key: certificate.key,
        cert: certificate.certificate,
        rejectUnauthorized: false,
        maxVersion,
      });
      socket.on('session', (session) => {
        if (socket.isSessionReused()) tickets++;
        void session;
      });
      socket.on('error', reject);
      socket.on('secureConnect', () => {
        const protocol = socket.getProtocol() ?? '';
        socket.end();
        resolve({ protocol, tickets });
      });
    });
  assert.equal(await handshake('TLSv1.3'), { protocol: 'TLSv1.3', tickets: 0 });
  let refused = false;
  await handshake('TLSv1.2').catch(() => {
    refused = true;
  });
  assert.ok(refused);
});

test('what cannot be understood is refused with what is wrong, unknown things are missing', async () => {
  const world = await openWorld();
  const ask = clientOf(world, await ca.issue({ role: 'engine' }));
  const bad = await ask('PUT', '/v1/network', '{"generation":-1}');
  assert.is(bad.code, 'request.invalid');
  assert.match(bad.text, /"path":"generation"/);
  assert.is((await ask('PUT', '/v1/network', 'not json')).code, 'request.invalid');
  assert.is((await ask('PUT', '/v1/network', '')).code, 'request.invalid');
  assert.is(
    (await ask('PUT', '/v1/network', JSON.stringify('x'.repeat(3_000_000)))).code,
    'request.too-large',
  );
  assert.is((await ask('GET', '/v1/tasks/..%2f..%2fetc')).code, 'request.invalid');
  assert.is((await ask('DELETE', '/v1/mounts/UP..')).code, 'request.invalid');
  assert.is((await ask('GET', '/v1/nothing')).code, 'route.missing');
  assert.is((await ask('DELETE', '/v1/host')).code, 'route.missing');
  const id = randomUUID().toUpperCase();
  assert.match((await ask('GET', `/v1/tasks/${id}`)).text, new RegExp(id.toLowerCase()));
});

/** What the server says to bytes that are not quite HTTP; '' when it just hangs up. */
function raw(world: Doors, bytes: string, certificate?: TestCertificate): Promise<string> {
  return new Promise((resolve) => {
    const socket = tlsConnect({
      host: '127.0.0.1',
      port: world.port,
      rejectUnauthorized: false,
      ...(certificate === undefined ? {} : { key: certificate.key, cert: certificate.certificate }),
    });
    world.closers.push(() => socket.destroy());
    let text = '';
    socket.on('data', (chunk) => {
      text += String(chunk);
    });
    socket.on('error', () => {});
    socket.on('close', () => resolve(text));
    socket.write(bytes);
  });
}

test('a request that is none is answered in our words or not at all', async () => {
  const world = await openWorld();
  const bad = 'GET /v1/host HTTP/1.1\r\nhost: [fe80::1%eno1]:7440\r\nconnection: close\r\n\r\n';
  assert.match(await raw(world, bad), /^HTTP\/1.1 400[\s\S]*request.invalid/);
  assert.is(await raw(world, 'hello\r\n\r\n'), '');
  assert.is(await raw(world, `GET /${'x'.repeat(100_000)} HTTP/1.1\r\n\r\n`), '');
});

test('strangers can keep each other out, but not the cluster', async () => {
  const world = await openWorld();
  let open = 0;
  for (let i = 0; i < 80; i++) {
    open++;
    void raw(world, '').then(() => open--);
  }
  await eventually('the rest of them is closed', () => open === 64);
  const engine = clientOf(world, await ca.issue({ role: 'engine' }));
  assert.is((await engine('GET', '/v1/units')).status, 200);
});

test('logs of serial consoles and uploads of images pass through', async () => {
  const world = await openWorld();
  const ask = clientOf(world, await ca.issue({ role: 'engine' }));
  const log = await ask('GET', `/v1/vms/${randomUUID()}/serial-log?bytes=100`);
  assert.equal([log.status, log.text], [200, 'newest 100']);
  const id = randomUUID();
  const size = 3 * 1024 * 1024;
  const sent = await ask(
    'PUT',
    `/v1/images/${id}?name=Debian&volume=data&format=raw&size=${size}`,
    'x'.repeat(size),
  );
  assert.match(sent.text, new RegExp(`${id} ${size} of ${size}`));
  assert.is((await ask('PUT', `/v1/images/${id}?name=Debian`, 'x')).code, 'request.invalid');
});

test.run();
