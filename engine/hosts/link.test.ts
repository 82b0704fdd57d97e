import { randomUUID } from 'node:crypto';
import * as assert from 'uvu/assert';
import type { NodeEvent } from '../../node/contract/events.ts';
import { type ServedHost, serveHost } from '../../test/fakes/hosts/serve.ts';
import { makeTestCa, type TestCa } from '../../test/support/certificates.ts';
import { type Formed, formedHosts } from '../../test/support/engine.ts';
import { eventually } from '../../test/support/eventually.ts';
import { refused } from '../../test/support/refused.ts';
import { suite } from '../../test/support/suite.ts';
import { makeOpenLink } from './link.ts';
import type { HostLink } from './port.ts';

const test = suite('the link to a host, over real mTLS', { deadlineMs: 30_000 });
let formed: Formed;
let served: ServedHost;
const links: HostLink[] = [];

test.before(async () => {
  formed = await formedHosts();
  served = await serve(formed.ca);
});
test.after(async () => {
  await Promise.all(links.map((link) => link.close()));
  await served.close();
});

const firstHost = () => {
  const [host] = formed.world.hosts;
  if (host === undefined) throw new Error('no host');
  return host;
};
const serve = async (ca: TestCa, id: string = firstHost().id, role = 'host') =>
  serveHost(formed.world, firstHost(), {
    ca: formed.ca.certificate,
    ...(await ca.issue({ id, role, addresses: ['127.0.0.1'] })),
    eventsEveryMs: 100,
    onConsole: (_, vm, socket) => {
      socket.write(`screen of ${vm.spec.name}\n`);
      socket.on('data', (bytes) => socket.write(bytes));
    },
  });
const openTo = async (
  { port }: { port: number },
  options: { role?: string; ca?: TestCa; silenceMs?: number } = {},
): Promise<HostLink> => {
  const own = await (options.ca ?? formed.ca).issue({ role: options.role ?? 'engine' });
  const open = makeOpenLink({
    ca: formed.ca.certificate,
    ...own,
    portOf: () => ({ address: '127.0.0.1', port }),
    silenceMs: options.silenceMs ?? 5_000,
  });
  const link = open({ id: firstHost().id, name: 'host1', address: '127.0.0.1' });
  links.push(link);
  return link;
};

test('asks a host, and hears what it refuses, in its words', async () => {
  const link = await openTo(served);
  assert.is((await link.client.call('getHost')).name, 'host1');
  const error = await refused(link.client.call('getVm', { params: { id: randomUUID() } }));
  assert.is(error.code, 'vm.missing');
});

test('another host at the same address, although of the same cluster, is not taken for it', async () => {
  const other = await serve(formed.ca, randomUUID());
  const error = await refused((await openTo(other)).client.call('getHost'));
  assert.is(error.code, 'host.unreachable');
  await other.close();
});

test('the engine’s certificate, or one of another authority, is no host’s', async () => {
  const engine = await serve(formed.ca, firstHost().id, 'engine');
  assert.is((await refused((await openTo(engine)).client.call('getHost'))).code, 'host.unreachable');
  await engine.close();
  const stranger = await serve(await makeTestCa());
  assert.is((await refused((await openTo(stranger)).client.call('getHost'))).code, 'host.unreachable');
  await stranger.close();
});

test('a caller of another authority is turned away', async () => {
  const link = await openTo(served, { ca: await makeTestCa('another') });
  const error = await refused(link.client.call('getHost'));
  assert.ok(['denied', 'unavailable'].includes(error.family), error.family);
});

test('events come first as a picture, then as changes, until the stream is ended', async () => {
  const link = await openTo(served);
  const stop = new AbortController();
  const seen: NodeEvent['kind'][] = [];
  const following = (async () => {
    for await (const event of link.events(stop.signal)) seen.push(event.kind);
  })();
  await eventually('a heartbeat', () => seen.includes('heartbeat'));
  assert.is(seen[0], 'vm');
  assert.ok(seen.indexOf('snapshot-done') < seen.indexOf('heartbeat'));
  stop.abort(new Error('ended by the test'));
  await following.then(
    () => assert.unreachable(),
    (error: unknown) => assert.is((error as Error).message, 'ended by the test'),
  );
});

test('a stream that has gone silent is given up', async () => {
  const silent = await serveHost(formed.world, firstHost(), {
    ca: formed.ca.certificate,
    ...(await formed.ca.issue({ id: firstHost().id, role: 'host', addresses: ['127.0.0.1'] })),
    eventsEveryMs: 3_600_000,
  });
  const link = await openTo(silent, { silenceMs: 1_000 });
  const error = await refused(
    (async () => {
      for await (const _ of link.events(new AbortController().signal));
    })(),
  );
  assert.is(error.code, 'host.unreachable');
  await silent.close();
});

test('nothing listens there: told as unreachable, quickly', async () => {
  const before = performance.now();
  const error = await refused((await openTo({ port: 1 })).client.call('getHost'));
  assert.is(error.code, 'host.unreachable');
  assert.ok(performance.now() - before < 5_000);
});

test('a VM’s screen: bytes both ways', async () => {
  const link = await openTo(served);
  const socket = await link.upgrade(
    `/v1/vms/${formed.formed.engineVmId}/console`,
    'trefoil-vnc',
    AbortSignal.timeout(5_000),
  );
  let text = '';
  socket.on('data', (chunk: Buffer) => {
    text += chunk.toString();
  });
  socket.write('hello');
  await eventually('both', () => text === 'screen of engine\nhello');
  socket.destroy();
});

test('text is read and bytes are sent', async () => {
  const link = await openTo(served);
  const signal = AbortSignal.timeout(5_000);
  const path = `/v1/vms/${formed.formed.engineVmId}/serial-log?bytes=1000`;
  assert.match(await link.getText(path, signal), '[boot] engine');
  const id = randomUUID();
  const bytes = (async function* () {
    yield new Uint8Array(1_500_000);
    yield new Uint8Array(1_500_000);
  })();
  await link.putStream(`/v1/images/${id}?name=x&volume=data&format=raw`, bytes, undefined, signal);
  assert.is((await link.client.call('getImages')).find((image) => image.id === id)?.sizeMiB, 3);
});

test.run();
