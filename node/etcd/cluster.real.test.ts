import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as assert from 'uvu/assert';
import { makeTestCa, type TestCa } from '../../test/support/certificates.ts';
import { eventually } from '../../test/support/eventually.ts';
import { suite } from '../../test/support/suite.ts';
import { systemClock } from '../clock/clock.ts';
import { AppError } from '../contract/error.ts';
import { type EtcdClient, makeEtcdClient } from './client.ts';
import { follow } from './follow.ts';
import { holdLease } from './lease.ts';
import { ensureLearner, ensureRemoved, ensureVoter } from './members.ts';
import { clientUrlOf, etcdEnvironment, etcdPaths } from './server-config.ts';
import { makeTransport } from './transport.ts';

/** Real members on loopback addresses, with our own settings and certificates; members are frozen, killed, added. */
const test = suite('real etcd', { deadlineMs: 60_000 });
const addresses = ['127.77.0.1', '127.77.0.2', '127.77.0.3'];
const extra = '127.77.0.4';

let folder: string;
let ca: TestCa;
const processes = new Map<string, ChildProcess>();
const clients: EtcdClient[] = [];
let client: EtcdClient;

async function connect(
  to: readonly string[],
  authority: TestCa = ca,
  ownCertificate = true,
): Promise<EtcdClient> {
  const { key, certificate } = await authority.issue({ id: 'host9', role: 'host' });
  const tls = {
    ca: ca.certificate,
    ...(ownCertificate ? { cert: certificate, key } : { cert: '', key: '' }),
  };
  const made = makeEtcdClient(
    { transport: makeTransport(tls), clock: systemClock },
    { endpoints: to.map(clientUrlOf), deadlineMs: 15_000 },
  );
  clients.push(made);
  return made;
}

async function start(
  address: string,
  members: readonly string[],
  initialState: 'new' | 'existing',
): Promise<void> {
  const home = join(folder, address);
  await mkdir(home, { recursive: true, mode: 0o700 });
  const { key, certificate } = await ca.issue({
    id: `host-${address}`,
    role: 'host',
    addresses: [address, '127.0.0.1'],
  });
  await writeFile(join(home, 'ca.crt'), ca.certificate);
  await writeFile(join(home, 'host.crt'), certificate);
  await writeFile(join(home, 'host.key'), key, { mode: 0o600 });
  const nameOf = (one: string) => `host${one.split('.').at(-1)}`;
  const text = etcdEnvironment({
    generation: 1,
    name: nameOf(address),
    address,
    members: members.map((one) => ({ name: nameOf(one), address: one })),
    initialState,
    clusterToken: 'token-of-the-test',
  });
  const environment = Object.fromEntries(
    text
      .split('\n')
      .filter((line) => line.startsWith('ETCD_'))
      .map((line) => [line.slice(0, line.indexOf('=')), line.slice(line.indexOf('=') + 1)]),
  );
  const moved = Object.fromEntries(
    Object.entries(environment).map(([name, value]) => [
      name,
      value.replace(etcdPaths.pki, home).replace(etcdPaths.data, join(home, 'data')),
    ]),
  );
  const child = spawn('setpriv', ['--pdeathsig', 'KILL', 'etcd'], {
    stdio: 'ignore',
    env: {
      PATH: process.env['PATH'],
      ...moved,
      // all members share one machine here: no second address, no metrics port
      ETCD_LISTEN_CLIENT_URLS: clientUrlOf(address),
      ETCD_LISTEN_METRICS_URLS: '',
      ETCD_UNSAFE_NO_FSYNC: 'true',
    },
  });
  processes.set(address, child);
}

async function stop(address: string): Promise<void> {
  const child = processes.get(address);
  processes.delete(address);
  if (child === undefined || child.exitCode !== null) return;
  const gone = once(child, 'exit');
  child.kill('SIGCONT');
  child.kill('SIGKILL');
  await gone;
}

const leader = async (): Promise<string> =>
  eventually(
    'a leader',
    async () => {
      for (const address of addresses) {
        const status = await client.status(clientUrlOf(address)).catch(() => undefined);
        if (status?.leaderId !== undefined && status.leaderId === status.memberId) return address;
      }
      return undefined;
    },
    { deadlineMs: 20_000 },
  );
const codeOf = (work: Promise<unknown>): Promise<string> =>
  work.then(
    () => 'no error',
    (error: unknown) => (error instanceof AppError ? error.code : String(error)),
  );

test.before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'trefoil-etcd-'));
  ca = await makeTestCa();
  for (const address of addresses) await start(address, addresses, 'new');
  client = await connect(addresses);
  await eventually('the cluster serves', () => client.put('/ready', 'yes').then(() => true), {
    deadlineMs: 40_000,
  });
});
test.after(async () => {
  for (const one of clients) await one.close();
  for (const address of [...processes.keys()]) await stop(address);
  await rm(folder, { recursive: true });
});

test('keys, ranges, transactions', async () => {
  await client.put('/t/ä', '✓');
  await client.put('/t/b', '');
  assert.equal(
    (await client.range('/t/')).kvs.map((kv) => [kv.key, kv.value]),
    [
      ['/t/b', ''],
      ['/t/ä', '✓'],
    ],
  );
  const make = {
    when: [{ key: '/t/c', exists: false }],
    do: [{ put: '/t/c', value: '1' }],
    otherwise: [{ get: '/t/c' }],
  };
  assert.is((await client.txn(make)).succeeded, true);
  const second = await client.txn(make);
  assert.is(second.succeeded, false);
  const revision = second.gets[0]?.modRevision ?? -1;
  const swap = {
    when: [{ key: '/t/c', modRevision: revision }],
    do: [{ put: '/t/c', value: '2' }, { get: '/t/c' }],
  };
  assert.is((await client.txn(swap)).gets[0]?.value, '2');
  assert.is((await client.txn(swap)).succeeded, false);
  assert.is(
    (await client.txn({ when: [{ key: '/t/c', exists: true }], do: [{ delete: '/t/c' }] })).succeeded,
    true,
  );
  assert.equal(await client.delete('/t/', { prefix: true }), { deleted: 2 });
});

test('only certificates of the cluster are let in', async () => {
  const stranger = await makeTestCa('another cluster');
  const withOther = await connect(addresses, stranger);
  assert.is(await codeOf(withOther.get('/ready', { deadlineMs: 1_500 })), 'etcd.unavailable');
  const withNone = await connect(addresses, ca, false);
  assert.is(await codeOf(withNone.get('/ready', { deadlineMs: 1_500 })), 'etcd.unavailable');
});

test('the leader freezes: writes and a watch go on elsewhere', async () => {
  const over = new AbortController();
  const told: string[] = [];
  const working = (async () => {
    for await (const item of follow(client, '/f/', { signal: over.signal }))
      if (item.kind === 'events')
        for (const event of item.events) if (event.kind === 'put') told.push(event.kv.value);
  })();
  await client.put('/f/a', '0');
  const first = await leader();
  const through = await connect([first, ...addresses.filter((address) => address !== first)]);
  await through.get('/ready'); // this one prefers the leader
  processes.get(first)?.kill('SIGSTOP');
  const started = performance.now();
  await through.put('/f/a', '1');
  const took = performance.now() - started;
  await eventually('the watch tells it', () => told.includes('1'), { deadlineMs: 20_000 });
  processes.get(first)?.kill('SIGCONT');
  await client.put('/f/a', '2');
  await eventually('the watch goes on', () => told.includes('2'));
  assert.equal([...new Set(told)].slice(-2), ['1', '2']);
  assert.ok(took < 10_000, `the write took ${took} ms`);
  over.abort(new Error('the test is over'));
  await working;
});

test('leases', async () => {
  const lease = await holdLease({ clock: systemClock }, client, { ttlSeconds: 3 });
  await client.put('/l', 'held', { lease: lease.id });
  await eventually('renewed', () => lease.heldForMs() > 0 && lease.heldForMs() < 2_500);
  assert.is((await client.get('/l'))?.value, 'held');
  await lease.release();
  assert.is(await client.get('/l'), undefined);
  const other = await holdLease({ clock: systemClock }, client, { ttlSeconds: 3 });
  await client.leaseRevoke(other.id);
  await client.leaseRevoke(other.id);
  await eventually('lost', () => other.lost.aborted);
  assert.is(await codeOf(client.put('/l', 'x', { lease: other.id })), 'etcd.not-found');
});

test('what was compacted away is read again as a whole', async () => {
  await client.put('/c', '1');
  const { revision } = await client.put('/c', '2');
  await client.env.transport.exchange({
    endpoint: clientUrlOf(addresses[0] ?? ''),
    path: '/v3/kv/compaction',
    body: { revision: String(revision) },
    signal: AbortSignal.timeout(5_000),
  });
  const { watch } = await import('./watch.ts');
  const over = new AbortController();
  const told: string[] = [];
  for await (const item of watch(client, { prefix: '/c', fromRevision: 1, signal: over.signal }))
    told.push(item.kind);
  assert.is(told.at(-1), 'lost-track');
});

test('a member joins as a learner, gets its vote, and is removed again', { deadlineMs: 90_000 }, async () => {
  // etcd takes a new member only when the others have been connected for some seconds
  await eventually('added', () => ensureLearner(client, extra), { deadlineMs: 30_000, everyMs: 500 });
  assert.is((await ensureLearner(client, extra)).isLearner, true);
  await start(extra, [...addresses, extra], 'existing');
  await ensureVoter({ clock: systemClock }, client, extra, { deadlineMs: 40_000 });
  await ensureVoter({ clock: systemClock }, client, extra, { deadlineMs: 1_000 });
  assert.is((await client.members()).length, 4);
  await eventually('removed', () => ensureRemoved(client, extra).then(() => true), {
    deadlineMs: 30_000,
    everyMs: 500,
  });
  await ensureRemoved(client, extra);
  assert.is((await client.members()).length, 3);
  await stop(extra);
});

test('without a majority calls end at their deadline, and it comes back by itself', async () => {
  const [one, two] = addresses.slice(1);
  for (const address of [one ?? '', two ?? '']) {
    processes.get(address)?.kill('SIGSTOP');
    const frozen = async () =>
      (await codeOf(client.status(clientUrlOf(address), { deadlineMs: 300 }))) !== 'no error';
    await eventually('it is frozen', frozen);
  }
  const started = performance.now();
  const code = await codeOf(client.put('/q', 'x', { deadlineMs: 4_000 }));
  assert.is(code, 'etcd.unavailable');
  assert.ok(performance.now() - started < 6_000);
  processes.get(one ?? '')?.kill('SIGCONT');
  processes.get(two ?? '')?.kill('SIGCONT');
  await eventually('it serves again', () => client.put('/q', 'y').then(() => true), { deadlineMs: 30_000 });
});

test.run();
