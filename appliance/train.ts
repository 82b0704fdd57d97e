/**
 * Prepares what a first boot would otherwise do on every cluster, by doing it once while the image is built: the engine's
 * schema goes into the empty database, and Node's compiled code of our programs into a cache that they start from. An
 * emulated machine compiles for a quarter of a minute. The programs run in the tree itself, as their own users, with the
 * flags of their units: V8 takes no code that was compiled with others.
 */
import { spawn } from 'node:child_process';
import { chmod, chown, cp, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { request } from 'node:https';
import { createServer } from 'node:net';
import { join } from 'node:path';
import type { EngineConfig } from '../engine/contract/config.ts';
import type { EngineSeed } from '../engine/contract/seed.ts';
import { tool } from '../image/tool.ts';
import { owners } from './base.ts';

const database = '/usr/share/trefoil/database';
const compileCache = '/usr/lib/trefoil/compile-cache';
const place = '/tmp/train';
const devices = { null: [1, 3], zero: [1, 5], urandom: [1, 9] } as const;

export async function train(tree: string): Promise<void> {
  for (const [name, [major, minor]] of Object.entries(devices))
    await tool(['mknod', '-m', '666', join(tree, 'dev', name), 'c', String(major), String(minor)]);
  await mkdir(join(tree, compileCache));
  await mkdir(join(tree, place));
  await chmod(join(tree, 'tmp'), 0o1777);
  try {
    await chmod(join(tree, place), 0o777);
    await makeSchema(tree);
    await firstBoot(tree);
    await startEngine(tree);
  } finally {
    for (const path of ['dev', 'run/trefoil', 'tmp', 'var']) {
      await rm(join(tree, path), { recursive: true, force: true });
      if (path !== 'run/trefoil') await mkdir(join(tree, path));
    }
  }
  await tool(['chown', '--recursive', 'root:root', join(tree, compileCache)]);
  await tool(['chmod', '--recursive', 'u=rwX,go=rX', join(tree, compileCache)]);
}

/** Nobody's: the addresses lead nowhere, the certificate signs itself and is gone with the folder. */
async function practiceSeed(): Promise<EngineSeed> {
  const pem = await tool([
    ...(['openssl', 'req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256'] as const),
    ...['-nodes', '-days', '1', '-subj', '/CN=practice/OU=engine', '-keyout', '-', '-out', '-'],
  ]);
  const block = (name: string) =>
    new RegExp(`-----BEGIN ${name}-----[^-]+-----END ${name}-----\n`).exec(pem)?.[0] ?? '';
  const certificate = block('CERTIFICATE');
  const id = '00000000-0000-4000-8000-000000000001';
  return {
    format: 1,
    generation: 1,
    cluster: { id, name: 'practice' },
    network: { address: '127.0.0.1/8', dns: [], hostName: 'practice' },
    tls: { caCertificate: certificate, certificate, key: block('PRIVATE KEY') },
    admin: { name: 'practice', passwordHash: `scrypt$65536$8$1$${'A'.repeat(22)}$${'A'.repeat(43)}` },
    hosts: [
      // Ids are branded texts.
      {
        id: id as EngineSeed['hosts'][number]['id'],
        name: 'host1',
        address: '127.0.0.1',
        storageAddress: '127.0.0.2',
      },
    ],
    etcd: { endpoints: ['https://127.0.0.1:1'] },
    timeServers: [],
    networks: [{ name: 'mgmt', bridge: 'br-mgmt' }],
    volumes: [{ name: 'data', forVms: true }],
  };
}

/** A program inside the tree. `env` comes from chroot's own command line: a unit would set it. */
function inTree(tree: string, user: number, argv: readonly string[], variables: readonly string[] = []) {
  const child = spawn(
    'chroot',
    [`--userspec=${user}:${user}`, tree, '/usr/bin/env', '-i', 'LC_ALL=C.UTF-8', ...variables, ...argv],
    { stdio: ['ignore', 'pipe', 'pipe'] },
  );
  let said = '';
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', (chunk: Buffer) => {
      said = (said + chunk.toString()).slice(-8_000);
    });
  const ended = new Promise<number | null>((resolve) => child.once('close', resolve));
  return {
    ended,
    said: () => said,
    stop: async (signal: NodeJS.Signals) => {
      child.kill(signal);
      return ended;
    },
  };
}

async function withPostgres(tree: string, data: string, body: () => Promise<void>): Promise<void> {
  const server = inTree(tree, owners.postgres, [
    '/usr/lib/postgresql/17/bin/postgres',
    '--config-file=/etc/trefoil/postgresql.conf',
    ...[
      `data_directory=${data}`,
      `unix_socket_directories=${place}`,
      'dynamic_shared_memory_type=mmap',
      'fsync=off',
    ].flatMap((setting) => ['-c', setting]),
  ]);
  const failed = await (async () => {
    await until('PostgreSQL to be ready', async () => server.said().includes('ready to accept connections'));
    await body();
    return undefined;
  })().catch((error: unknown) => error);
  // In order: everything is written, nothing is to be recovered.
  const code = await server.stop('SIGINT');
  if (failed !== undefined) throw failed;
  if (code !== 0) throw new Error(`PostgreSQL ended with ${code}: ${server.said()}`);
  await rm(join(tree, data, 'postmaster.opts'), { force: true });
}

async function engineFlags(tree: string): Promise<string[]> {
  const unit = await readFile(join(tree, 'usr/lib/systemd/system/trefoil-engine.service'), 'utf8');
  const command = /^ExecStart=(.+)$/m.exec(unit)?.[1];
  if (command === undefined) throw new Error('the engine’s unit starts nothing');
  return command.split(' ');
}

async function runEngine(tree: string, config: Partial<EngineConfig>) {
  const file = `${place}/engine.json`;
  await writeFile(join(tree, file), JSON.stringify(config));
  return inTree(tree, owners.engine, await engineFlags(tree), [
    'NODE_ENV=production',
    `NODE_COMPILE_CACHE=${compileCache}`,
    `TREFOIL_ENGINE_CONFIG=${file}`,
  ]);
}

async function configOf(tree: string, seed: EngineSeed, seedFile: string): Promise<EngineConfig> {
  const file = async (name: string, content: string) => {
    await writeFile(join(tree, place, name), content);
    return `${place}/${name}`;
  };
  return {
    listen: { address: '127.0.0.1', port: await freePort() },
    tls: {
      certificateFile: await file('cert.pem', seed.tls.certificate),
      keyFile: await file('key.pem', seed.tls.key),
      caFile: await file('ca.pem', seed.tls.caCertificate),
    },
    database: { host: place, port: 5432, name: 'trefoil', user: 'trefoil' },
    seedFile,
    uiDirectory: '/usr/lib/trefoil/ui',
    versionFile: '/usr/lib/trefoil/version',
  };
}

/** Without a seed the engine brings its schema in, finds no cluster, and ends. */
async function makeSchema(tree: string): Promise<void> {
  await chown(join(tree, compileCache), owners.engine, owners.engine);
  await withPostgres(tree, database, async () => {
    const config = await configOf(tree, await practiceSeed(), `${place}/none`);
    const engine = await runEngine(tree, config);
    await engine.ended;
    if (!engine.said().includes('database migrated'))
      throw new Error(`the engine did not make its schema: ${engine.said()}`);
  });
}

async function firstBoot(tree: string): Promise<void> {
  await chown(join(tree, compileCache), owners.root, owners.root);
  await chmod(join(tree, compileCache), 0o777);
  await mkdir(join(tree, 'run/trefoil'), { recursive: true });
  await writeFile(join(tree, 'run/trefoil/seed'), JSON.stringify(await practiceSeed()));
  const node = ['/usr/lib/trefoil/node', '/usr/lib/trefoil/trefoil-appliance.mjs', 'firstboot'];
  const run = inTree(tree, owners.root, node, [`NODE_COMPILE_CACHE=${compileCache}`]);
  if ((await run.ended) !== 0) throw new Error(`the first boot failed: ${run.said()}`);
}

/** On a copy of the database: what is tried here must not be in everybody's. */
async function startEngine(tree: string): Promise<void> {
  const copy = `${place}/database`;
  await cp(join(tree, database), join(tree, copy), { recursive: true });
  await tool(['chown', '--recursive', `${owners.postgres}:${owners.postgres}`, join(tree, copy)]);
  await chmod(join(tree, copy), 0o700);
  await withPostgres(tree, copy, async () => {
    const seed = await practiceSeed();
    await writeFile(join(tree, place, 'seed.json'), JSON.stringify(seed));
    const config = await configOf(tree, seed, `${place}/seed.json`);
    const engine = await runEngine(tree, config);
    const { port } = config.listen;
    try {
      await until('the engine to be ready', async () => (await ask(port, '/api/v1/health')) === 200);
      for (const path of ['/', '/api/v1/vms']) await ask(port, path);
      await ask(port, '/api/v1/sessions', { name: 'practice', password: 'wrong' });
    } catch (error) {
      throw new Error(`the engine could not be tried: ${engine.said()}`, { cause: error });
    } finally {
      // Its compiled code is written when it ends.
      await engine.stop('SIGTERM');
    }
  });
}

function ask(port: number, path: string, body?: unknown): Promise<number | undefined> {
  return new Promise((resolve) => {
    const sent = request(
      {
        host: '127.0.0.1',
        port,
        path,
        method: body === undefined ? 'GET' : 'POST',
        headers: { 'content-type': 'application/json' },
        rejectUnauthorized: false,
        agent: false,
      },
      (response) => {
        response.resume();
        resolve(response.statusCode);
      },
    );
    sent.on('error', () => resolve(undefined));
    sent.end(body === undefined ? undefined : JSON.stringify(body));
  });
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const found = server.address();
  await new Promise((resolve) => server.close(resolve));
  if (found === null || typeof found === 'string') throw new Error('no free port');
  return found.port;
}

const patienceMs = 120_000;
async function until(what: string, is: () => Promise<boolean>): Promise<void> {
  const end = performance.now() + patienceMs;
  while (!(await is())) {
    if (performance.now() > end) throw new Error(`waited ${patienceMs / 1000} s for ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}
