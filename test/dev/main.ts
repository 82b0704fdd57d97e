import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, readFileSync, rmSync } from 'node:fs';
import { createServer as createNetServer } from 'node:net';
import { argv, execPath, exit, stdin, stdout } from 'node:process';
import { createInterface } from 'node:readline';
import { parseArgs } from 'node:util';
import { createServer } from 'vite';
import { z } from 'zod';
import type { FakeWorld } from '../fakes/hosts/model.ts';
import { eventually } from '../support/eventually.ts';
import { fillWithVms } from './vms.ts';
import { makeDevWorld } from './world.ts';

/**
 * `npm run dev`: the engine with an embedded database and three simulated hosts, and the page with hot reload. No root.
 *   --lab        the page against the running lab's engine instead
 *   --vms N      N more VMs
 *   --port N     of the page (default 5173)
 *   --no-page    the engine alone
 */
const { values } = parseArgs({
  args: argv.slice(2),
  options: {
    lab: { type: 'boolean', default: false },
    vms: { type: 'string', default: '0' },
    port: { type: 'string', default: '5173' },
    'engine-port': { type: 'string', default: '7480' },
    'no-page': { type: 'boolean', default: false },
  },
});
const say = (text: string) => void stdout.write(`${text}\n`);

const labSchema = z.object({
  engine: z.object({ url: z.string(), user: z.string(), password: z.string() }),
});
const labFile = '.lab/cluster.json';
const patienceMs = 8_000;

async function startPage(engineUrl: string): Promise<string> {
  process.env['TREFOIL_ENGINE'] = engineUrl;
  const page = await createServer({
    configFile: 'ui/vite.config.ts',
    server: { host: 'localhost', port: Number(values.port), strictPort: false },
    clearScreen: false,
    logLevel: 'warn',
  });
  await page.listen();
  return page.resolvedUrls?.local[0] ?? `http://localhost:${values.port}/`;
}

function startEngineProcess(planFile: string): ChildProcess {
  return spawn(
    execPath,
    ['--watch', '--watch-preserve-output', '--no-warnings', 'test/dev/engine.ts', planFile],
    { stdio: ['ignore', 'inherit', 'inherit'] },
  );
}

async function withLab(): Promise<void> {
  if (!existsSync(labFile)) {
    say('There is no running lab. Start one with "npm run up".');
    exit(1);
  }
  const { engine } = labSchema.parse(JSON.parse(readFileSync(labFile, 'utf8')));
  const url = await startPage(engine.url);
  say(
    `\n  Page      ${url}\n  User      ${engine.user}\n  Password  ${engine.password}\n  Engine    ${engine.url}\n`,
  );
}

/** Another one's engine would answer for ours, and its password would be asked for. */
async function refuseTakenPort(port: number): Promise<void> {
  const taken = await new Promise<boolean>((resolve) => {
    const server = createNetServer();
    server.once('error', () => resolve(true));
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(false)));
  });
  if (!taken) return;
  say(`Port ${port} is in use, perhaps by another "npm run dev". Give this one another: --engine-port N`);
  exit(1);
}

/** Ctrl-C reaches the engine too; waits until it has closed its database, and leaves nothing. */
function endInOrder(engine: ChildProcess, directory: string): void {
  process.on('exit', () => {
    // Not SIGKILL: it would leave the engine, which is its child.
    engine.kill();
    rmSync(directory, { recursive: true, force: true });
  });
  let told = false;
  for (const signal of ['SIGINT', 'SIGTERM'] as const)
    process.on(signal, () => {
      const ended = engine.exitCode !== null || engine.signalCode !== null;
      if (told || ended) exit(0);
      told = true;
      engine.once('exit', () => exit(0));
      engine.kill(signal);
      setTimeout(() => engine.kill('SIGKILL'), patienceMs).unref();
    });
}

/** `off host2`, `on host2`: a power cut on a desk. */
function takePowerOrders(world: FakeWorld): void {
  createInterface({ input: stdin }).on('line', (line) => {
    const [, order, name] = /^\s*(on|off)\s+(\S+)\s*$/.exec(line) ?? [];
    const host = world.hosts.find(({ options }) => options.name === name);
    if (host === undefined) return;
    host.powered = order === 'on';
    say(`  ${host.options.name} is ${order}`);
  });
}

async function withSimulation(): Promise<void> {
  const enginePort = Number(values['engine-port']);
  await refuseTakenPort(enginePort);
  const engineUrl = `http://127.0.0.1:${enginePort}`;
  // One for each engine: two may run side by side.
  const directory = `.cache/dev/${enginePort}`;
  const { world, planFile, password } = await makeDevWorld(directory, enginePort);
  const engine = startEngineProcess(planFile);
  endInOrder(engine, directory);
  await eventually('the engine to answer', async () => (await fetch(`${engineUrl}/api/v1/health`)).ok, {
    deadlineMs: 60_000,
    everyMs: 200,
  });
  await fillWithVms(world, engineUrl, password, Number(values.vms));
  const page = values['no-page'] ? `${engineUrl}/` : await startPage(engineUrl);
  takePowerOrders(world);
  const found = world.hosts.find(({ kept }) => kept.join === undefined);
  say(`
  Page      ${page}
  User      admin
  Password  ${password}
  API       ${engineUrl}/api/v1/openapi.json
  Power     type: off host2, on host2
  To add    ${found?.options.name ?? 'no host'}, code ${found?.code ?? ''}
`);
}

await (values.lab ? withLab() : withSimulation());
