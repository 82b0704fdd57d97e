/**
 * The engine's answers at 300 and at 10,000 VMs, beside a bare HTTPS server that sends the same bytes in the same run:
 * `npm run bench:api [-- OUTPUT.json]`. See README.md.
 */
import { type ChildProcess, fork, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { argv, env, execPath, stdout } from 'node:process';
import type { EngineConfig } from '../../../engine/contract/config.ts';
import { events, jobs, vms } from '../../../engine/db/schema.ts';
import { silentLog } from '../../../engine/log/log.ts';
import { importSeed } from '../../../engine/seed/seed.ts';
import { bundleAll, dist } from '../../../image/bundle.ts';
import { adminPassword } from '../../support/engine.ts';
import { eventually } from '../../support/eventually.ts';
import { type PostgresServer, startPostgres } from '../../support/postgres.ts';
import type { FloorOrder } from './floor.ts';
import type { HostsReady } from './hosts.ts';
import { ask, compare, makeAgent, type Target, type Times } from './load.ts';
import { eventOf, eventsPerVm, jobOf, vmOf } from './sizes.ts';

const sizes = (env['BENCH_VMS'] ?? '300,10000').split(',').map(Number);
const rounds = Number(env['BENCH_ROUNDS'] ?? 5);
const perRound = 60;
const atOnce = 8;
/** p95 in milliseconds of a page of VMs, one request after the other */
const listGoalMs = (vmCount: number) => (vmCount <= 300 ? 60 : 150);
const memoryGoalMiB = 200;

type Row = { route: string; bytes: number; width: number; engine: Times; floor: Times };
type Memory = { atRestMiB: number; peakMiB: number };
type Result = { vms: number; readyMs: number; memory: Memory; rows: Row[] };

const say = (text: string) => void stdout.write(`${text}\n`);

async function child<T>(file: string, args: readonly string[] = []) {
  const process = fork(join(import.meta.dirname, file), [...args], { stdio: 'inherit' });
  const next = async (): Promise<T> => {
    // What a process of ours tells is of the type that its file exports.
    const [message] = (await once(process, 'message', { signal: AbortSignal.timeout(120_000) })) as [T];
    return message;
  };
  return { process, next };
}

async function fill(postgres: PostgresServer, vmCount: number, ready: HostsReady): Promise<string> {
  const { name, open } = await postgres.database();
  const database = open();
  await importSeed(database.db, ready.seed, new Date(), silentLog);
  const batch = 500;
  for (let from = 0; from < vmCount; from += batch) {
    const records = Array.from({ length: Math.min(batch, vmCount - from) }, (_, index) =>
      vmOf(from + index, ready.hosts, ready.imageId),
    );
    await database.db.insert(vms).values(records);
    await database.db.insert(jobs).values(records.map(jobOf));
    await database.db
      .insert(events)
      .values(
        records.flatMap((record) =>
          Array.from({ length: eventsPerVm }, (_, index) => eventOf(record, index)),
        ),
      );
  }
  await database.close();
  return name;
}

function startEngine(directory: string, postgres: PostgresServer, database: string, ready: HostsReady) {
  const file = (name: string, content: string) => {
    writeFileSync(join(directory, name), content, { mode: 0o600 });
    return join(directory, name);
  };
  const port = 17_444;
  const config: EngineConfig = {
    listen: { address: '127.0.0.1', port },
    tls: {
      certificateFile: file('cert.pem', ready.tls.certificate),
      keyFile: file('key.pem', ready.tls.key),
      caFile: file('ca.pem', ready.tls.ca),
    },
    database: { host: postgres.directory, port: 5432, name: database, user: 'postgres' },
    seedFile: file('seed', JSON.stringify(ready.seed)),
    uiDirectory: join(directory, 'ui'),
    versionFile: join(dist, 'version'),
  };
  const process = spawn(
    execPath,
    [
      ...(env['BENCH_NODE_FLAGS'] ?? '').split(' ').filter((flag) => flag !== ''),
      // As trefoil-engine.service has it.
      '--max-old-space-size=640',
      '--max-semi-space-size=4',
      join(dist, 'trefoil-engine.mjs'),
    ],
    {
      env: { TREFOIL_ENGINE_CONFIG: file('engine.json', JSON.stringify(config)), NODE_ENV: 'production' },
      cwd: directory,
      stdio: ['ignore', 'ignore', 'inherit'],
    },
  );
  return { process, port };
}

const memoryOf = (engine: ChildProcess, field: 'VmRSS' | 'VmHWM'): number => {
  const status = readFileSync(`/proc/${engine.pid}/status`, 'utf8');
  return Math.round(Number(new RegExp(`${field}:\\s+(\\d+)`).exec(status)?.[1]) / 1024);
};

async function waitForVms(target: Target, vmCount: number): Promise<void> {
  const agent = makeAgent(1);
  await eventually(
    'all VMs to be known and running as they should',
    async () => {
      const hosts = JSON.parse((await ask(agent, target, '/api/v1/hosts')).text);
      const last = JSON.parse((await ask(agent, target, '/api/v1/vms?search=web-00000')).text);
      const overview = await ask(agent, target, '/api/v1/overview');
      return (
        hosts.items.every(({ state }: { state: string }) => state === 'online') &&
        last.items[0]?.state === 'running' &&
        overview.status === 200
      );
    },
    { deadlineMs: 60_000, everyMs: 200 },
  );
  const total = JSON.parse((await ask(agent, target, '/api/v1/vms?limit=1')).text).total;
  agent.destroy();
  if (total < vmCount) throw new Error(`the engine knows ${total} of ${vmCount} VMs`);
}

async function routesOf(target: Target): Promise<Record<string, string>> {
  const agent = makeAgent(1);
  const page = JSON.parse((await ask(agent, target, '/api/v1/vms?limit=100')).text);
  const id: string = page.items[7].id;
  agent.destroy();
  return {
    'VMs, a page of 100': '/api/v1/vms?limit=100',
    'VMs, the next page': `/api/v1/vms?limit=100${page.next === undefined ? '' : `&after=${page.next}`}`,
    'VMs, a page of 500': '/api/v1/vms?limit=500',
    'VMs, search': '/api/v1/vms?limit=100&search=mail-',
    'VM, one': `/api/v1/vms/${id}`,
    placement: `/api/v1/vms/${id}/placement`,
    hosts: '/api/v1/hosts',
    'jobs, a page of 100': '/api/v1/jobs?limit=100',
    'jobs that run': '/api/v1/jobs?limit=100&state=active',
    'events, a page of 100': '/api/v1/events?limit=100',
    'events, search': '/api/v1/events?limit=100&search=mail-00',
    volumes: '/api/v1/volumes',
    overview: '/api/v1/overview',
    health: '/api/v1/health',
  };
}

async function measure(postgres: PostgresServer, vmCount: number): Promise<Result> {
  const directory = mkdtempSync(join(tmpdir(), 'trefoil-bench-api-'));
  const hosts = await child<HostsReady>('hosts.ts', [String(vmCount)]);
  const floor = await child<{ port: number }>('floor.ts');
  const tellFloor = async (order: FloorOrder) => {
    floor.process.send(order);
    return floor.next();
  };
  let engine: ChildProcess | undefined;
  try {
    const ready = await hosts.next();
    const database = await fill(postgres, vmCount, ready);
    const started = performance.now();
    const at = startEngine(directory, postgres, database, ready);
    engine = at.process;
    const target: Target = { port: at.port, ca: ready.tls.ca, token: '' };
    const agent = makeAgent(1);
    await eventually('the engine', async () => (await ask(agent, target, '/api/v1/health')).status === 200, {
      deadlineMs: 60_000,
      everyMs: 50,
    });
    const readyMs = Math.round(performance.now() - started);
    const login = { name: 'admin', password: adminPassword };
    target.token = JSON.parse((await ask(agent, target, '/api/v1/sessions', login)).text).token;
    await waitForVms(target, vmCount);
    const atRestMiB = memoryOf(engine, 'VmRSS');
    const bare = await tellFloor({ kind: 'start', ...ready.tls });
    const floorTarget: Target = { port: bare.port, ca: ready.tls.ca, token: '' };
    const rows: Row[] = [];
    for (const [route, path] of Object.entries(await routesOf(target))) {
      const { text } = await ask(agent, target, path);
      await tellFloor({ kind: 'answer', path, body: text });
      for (const width of [1, atOnce])
        rows.push({
          route,
          bytes: Buffer.byteLength(text),
          width,
          ...(await compare(
            target,
            floorTarget,
            { engine: path, floor: path },
            { rounds, count: perRound, width },
          )),
        });
    }
    agent.destroy();
    return { vms: vmCount, readyMs, memory: { atRestMiB, peakMiB: memoryOf(engine, 'VmHWM') }, rows };
  } finally {
    const gone = engine === undefined ? undefined : once(engine, 'exit');
    engine?.kill('SIGTERM');
    await gone;
    for (const each of [hosts.process, floor.process]) if (each.connected) each.disconnect();
    rmSync(directory, { recursive: true, force: true });
  }
}

const cell = (times: Times) => [times.p50, times.p95, times.max].map((ms) => ms.toFixed(1)).join(' / ');
function print({ vms: vmCount, readyMs, memory, rows }: Result): void {
  say(
    `\n${vmCount} VMs: ready after ${readyMs} ms, memory ${memory.atRestMiB} MiB, at most ${memory.peakMiB} MiB`,
  );
  say(
    'p50 / p95 / max in ms'.padEnd(34) +
      ['KiB', 'at once', 'engine', 'floor'].map((it) => it.padStart(22)).join(''),
  );
  for (const { route, bytes, width, engine, floor } of rows)
    say(
      route.padEnd(34) +
        [(bytes / 1024).toFixed(1), String(width), cell(engine), cell(floor)]
          .map((text) => text.padStart(22))
          .join(''),
    );
}

await bundleAll(['trefoil-engine']);
const postgres = await startPostgres();
const results: Result[] = [];
try {
  for (const vmCount of sizes) {
    const result = await measure(postgres, vmCount);
    print(result);
    results.push(result);
  }
} finally {
  await postgres.stop();
}
const missed = results.flatMap((result) => [
  ...result.rows
    .filter(
      ({ route, width, engine }) =>
        route.startsWith('VMs') && width === 1 && engine.p95 > listGoalMs(result.vms),
    )
    .map(({ route }) => `${route} at ${result.vms} VMs`),
  ...(result.vms <= 300 && result.memory.peakMiB > memoryGoalMiB ? [`memory at ${result.vms} VMs`] : []),
]);
say(missed.length === 0 ? '\ngoals met' : `\ngoals missed: ${missed.join(', ')}`);
const output = argv[2] ?? join('.cache', 'bench', 'api.json');
mkdirSync(dirname(output), { recursive: true });
writeFileSync(
  output,
  `${JSON.stringify({ unit: 'ms', rounds, perRound, goalMet: missed.length === 0, results }, null, 2)}\n`,
);
say(`written to ${output}`);
