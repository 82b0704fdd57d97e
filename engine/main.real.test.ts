import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Agent, fetch as undiciFetch } from 'undici';
import * as assert from 'uvu/assert';
import { type ServedHost, serveHost } from '../test/fakes/hosts/serve.ts';
import { adminPassword, endOf, type Formed, formedHosts, seedOf } from '../test/support/engine.ts';
import { eventually } from '../test/support/eventually.ts';
import { type PostgresServer, startPostgres } from '../test/support/postgres.ts';
import { suite } from '../test/support/suite.ts';
import { type EngineClient, makeEngineClient, makeFetchSend } from './contract/client.ts';
import type { EngineConfig } from './contract/config.ts';
import type { EngineSeed } from './contract/seed.ts';

/** The engine as a process, with the real PostgreSQL, and simulated hosts behind real mTLS on addresses of their own. */
const test = suite('the engine as a process', { deadlineMs: 90_000 });

let postgres: PostgresServer;
let formed: Formed;
let hosts: ServedHost[];
let directory: string;
let engine: ChildProcess | undefined;
let client: EngineClient;
let log = '';
const port = 17_443;
const url = `https://127.0.0.1:${port}`;
const addressOf = (index: number) => `127.77.0.${11 + index}`;

test.before(async () => {
  directory = mkdtempSync(join(tmpdir(), 'trefoil-engine-'));
  postgres = await startPostgres();
  formed = await formedHosts();
  hosts = await Promise.all(
    formed.world.hosts.map(async (host, index) =>
      serveHost(formed.world, host, {
        ca: formed.ca.certificate,
        ...(await formed.ca.issue({ id: host.id, role: 'host', addresses: [addressOf(index)] })),
        address: addressOf(index),
        port: 7440,
        eventsEveryMs: 1_000,
      }),
    ),
  );
  const database = await postgres.database();
  const own = await formed.ca.issue({ role: 'engine', addresses: ['127.0.0.1'] });
  const seed = await seedOf(formed);
  const tls = { certificate: own.certificate, key: own.key, caCertificate: formed.ca.certificate };
  const ours: EngineSeed = {
    ...seed,
    tls,
    hosts: seed.hosts.map((host, index) => ({ ...host, address: addressOf(index) })),
    etcd: { endpoints: ['https://127.0.0.1:1'] },
  };
  const file = (name: string, content: string) => {
    writeFileSync(join(directory, name), content);
    return join(directory, name);
  };
  const config: EngineConfig = {
    listen: { address: '127.0.0.1', port },
    tls: {
      certificateFile: file('cert.pem', tls.certificate),
      keyFile: file('key.pem', tls.key),
      caFile: file('ca.pem', tls.caCertificate),
    },
    database: { host: postgres.directory, port: 5432, name: database.name, user: 'postgres' },
    // As the raw seed disk is: with zero bytes after it.
    seedFile: file('seed', JSON.stringify(ours).padEnd(65_536, '\0')),
    uiDirectory: join(directory, 'ui'),
    versionFile: file('version', '0.1.0\n'),
  };
  file('engine.json', JSON.stringify(config));
});
test.after(async () => {
  engine?.kill('SIGKILL');
  await Promise.all(hosts.map((host) => host.close()));
  await postgres.stop();
  rmSync(directory, { recursive: true, force: true });
});

const start = () => {
  engine = spawn(process.execPath, ['engine/main.ts'], {
    env: { ...process.env, TREFOIL_ENGINE_CONFIG: join(directory, 'engine.json') },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  engine.stdout?.on('data', (chunk: Buffer) => {
    log += chunk.toString();
  });
};
const exited = (child: ChildProcess | undefined) =>
  new Promise<number | null>((resolve) => child?.once('exit', (code) => resolve(code)));

const connect = () => {
  const dispatcher = new Agent({ connect: { ca: formed.ca.certificate } });
  let token = '';
  // undici's fetch is the one that Node has built in; only its types are a world of their own.
  const fetchIt = ((input: string, init: object) =>
    undiciFetch(input, { ...init, dispatcher })) as unknown as typeof globalThis.fetch;
  client = makeEngineClient(makeFetchSend({ baseUrl: url, fetch: fetchIt, token: () => token }));
  return {
    login: async () => {
      const session = await client.call('createSession', {
        body: { name: 'admin', password: adminPassword },
      });
      token = session.token ?? '';
    },
  };
};
const untilState = (state: string) =>
  eventually(`health to be ${state}`, async () => (await client.call('getHealth')).state === state, {
    deadlineMs: 40_000,
    everyMs: 100,
  });
const untilHostsOnline = () =>
  eventually(
    'the hosts to be online',
    async () => (await client.call('listHosts')).items.every((host) => host.state === 'online'),
    { deadlineMs: 30_000 },
  );

test('starts from its seed, serves TLS with the cluster’s certificate, and finds its hosts', async () => {
  const before = performance.now();
  start();
  const session = connect();
  await untilState('ready');
  process.stdout.write(`ready after ${Math.round(performance.now() - before)} ms\n`);
  await session.login();
  await untilHostsOnline();
  const image = await eventually('the image', async () => (await client.call('listImages')).items[0]);
  const { jobId } = await client.call('createVm', {
    body: { name: 'web01', imageId: image.id, diskMiB: 1024, memoryMiB: 256 },
  });
  const job = await endOf(client, jobId);
  assert.is(job.state, 'done', job.error?.message);
});

test('killed in the middle of a job, the next one finishes it', async () => {
  formed.world.pace = 1;
  const image = (await client.call('listImages')).items[0];
  const { jobId, id } = await client.call('createVm', {
    body: {
      name: 'web02',
      diskMiB: 1024,
      memoryMiB: 256,
      ...(image === undefined ? {} : { imageId: image.id }),
    },
  });
  await eventually('its disk to be copied', async () => {
    const job = await client.call('getJob', { params: { id: jobId } });
    return job.steps.some(({ name, state }) => name === 'disks' && state === 'running');
  });
  const gone = exited(engine);
  engine?.kill('SIGKILL');
  await gone;
  start();
  await untilState('ready');
  const job = await eventually(
    'the job to end',
    async () => {
      const now = await client.call('getJob', { params: { id: jobId } });
      return now.endedAt !== undefined && now;
    },
    { deadlineMs: 60_000 },
  );
  assert.is(job.state, 'done', job.error?.message);
  assert.is((await client.call('getVm', { params: { id } })).state, 'running');
  formed.world.pace = 0;
});

test('its database dies: health says so, lists still answer, and all goes on when it is back', async () => {
  await postgres.kill();
  await untilState('database-down');
  assert.ok((await client.call('listVms')).total >= 2);
  await postgres.start();
  await untilState('ready');
  const { items } = await client.call('listVms', { query: { search: 'web01' } });
  const id = items[0]?.id ?? '';
  const { jobId } = await client.call('stopVm', { params: { id } });
  assert.is((await endOf(client, jobId)).state, 'done');
});

test('a second engine on the same database waits; it does not start', async () => {
  const other = JSON.parse(readFileSync(join(directory, 'engine.json'), 'utf8')) as EngineConfig;
  other.listen.port = 0;
  writeFileSync(join(directory, 'other.json'), JSON.stringify(other));
  const child = spawn(process.execPath, ['engine/main.ts'], {
    env: { ...process.env, TREFOIL_ENGINE_CONFIG: join(directory, 'other.json') },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let said = '';
  child.stdout?.on('data', (chunk: Buffer) => {
    said += chunk.toString();
  });
  await eventually('it to say why', () => said.includes('Another engine is using this database'), {
    deadlineMs: 30_000,
  });
  const gone = exited(child);
  child.kill('SIGKILL');
  await gone;
  assert.not.match(said, 'the engine is ready');
});

test('its memory stays small', () => {
  const status = readFileSync(`/proc/${engine?.pid}/status`, 'utf8');
  const rssMiB = Number(/VmRSS:\s+(\d+)/.exec(status)?.[1]) / 1024;
  process.stdout.write(`engine RSS ${Math.round(rssMiB)} MiB\n`);
  assert.ok(rssMiB < 300, `${rssMiB} MiB`);
});

test('told to stop, it ends in order and soon', async () => {
  const gone = exited(engine);
  const before = performance.now();
  engine?.kill('SIGTERM');
  assert.is(await gone, 0);
  assert.ok(performance.now() - before < 10_000);
  assert.match(log, 'the engine has stopped');
});

test.run();
