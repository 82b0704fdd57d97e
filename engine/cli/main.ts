import { createHash } from 'node:crypto';
import { chmod, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';
import { argv, exit, stdin, stdout } from 'node:process';
import { createInterface } from 'node:readline/promises';
import { Writable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { setTimeout as delay } from 'node:timers/promises';
import { connect, type PeerCertificate, TLSSocket } from 'node:tls';
import { Agent, buildConnector, fetch as undiciFetch } from 'undici';
import { z } from 'zod';
import { AppError } from '../../node/contract/error.ts';
import { cli } from './cli.ts';
import type { CliEnv, SavedSession } from './env.ts';

/** The `trefoil` command: only what touches the real world; the rest is in cli.ts. */
const sessionFile = (): string =>
  join(process.env['XDG_CONFIG_HOME'] ?? join(homedir(), '.config'), 'trefoil', 'session.json');

const savedSchema = z.object({
  url: z.string(),
  token: z.string(),
  user: z.string(),
  trust: z.discriminatedUnion('kind', [
    z.object({ kind: z.literal('ca'), pem: z.string() }),
    z.object({ kind: z.literal('fingerprint'), sha256: z.string() }),
    z.object({ kind: z.literal('system') }),
  ]),
});

const hexOf = (certificate: { raw: Buffer }): string =>
  createHash('sha256').update(certificate.raw).digest('hex');

const otherCertificate = (): AppError =>
  new AppError({
    code: 'engine.other-certificate',
    family: 'denied',
    message: 'The engine shows another certificate than before.',
    remedy: 'If it was renewed, log in again and compare it.',
  });

/** Whoever signed it: each connection must show the very certificate that a person has compared, or nothing is sent. */
function pinnedTo(sha256: string): Agent {
  const connector = buildConnector({ rejectUnauthorized: false, maxCachedSessions: 0 });
  return new Agent({
    connect: (options, callback) =>
      connector(options, (error, socket) => {
        if (error !== null) return callback(error, null);
        const shown = socket instanceof TLSSocket ? socket.getPeerCertificate() : undefined;
        if (shown?.raw !== undefined && hexOf(shown) === sha256) return callback(null, socket);
        socket.destroy();
        return callback(otherCertificate(), null);
      }),
  });
}

function dispatcherFor(trust: SavedSession['trust']): Agent {
  switch (trust.kind) {
    case 'system':
      return new Agent();
    case 'ca':
      return new Agent({ connect: { ca: trust.pem } });
    case 'fingerprint':
      return pinnedTo(trust.sha256);
  }
}

function fetchWith(trust: SavedSession['trust']): typeof globalThis.fetch {
  const dispatcher = dispatcherFor(trust);
  // undici's fetch is the one that Node has built in; only its types are a world of their own.
  return ((url: string, init: object) =>
    undiciFetch(url, { ...init, dispatcher })) as unknown as typeof globalThis.fetch;
}

function fingerprintOf(url: string): Promise<string> {
  const { hostname, port } = new URL(url);
  return new Promise((resolve, reject) => {
    const socket = connect({
      host: hostname,
      port: port === '' ? 443 : Number(port),
      rejectUnauthorized: false,
      timeout: 5_000,
    });
    const fail = (cause?: unknown) => {
      socket.destroy();
      reject(
        new AppError({
          code: 'engine.unreachable',
          family: 'unavailable',
          message: `Nothing answers at ${url}.`,
          cause,
        }),
      );
    };
    socket.once('error', fail);
    socket.once('timeout', () => fail());
    socket.once('secureConnect', () => {
      const certificate: PeerCertificate = socket.getPeerCertificate();
      socket.end();
      resolve(hexOf(certificate));
    });
  });
}

async function ask(question: string, options: { secret?: boolean } = {}): Promise<string> {
  let muted = false;
  const output = new Writable({
    write(chunk, _, done) {
      if (!muted) process.stderr.write(chunk);
      done();
    },
  });
  const lines = createInterface({ input: stdin, output, terminal: true });
  const answer = lines.question(question);
  muted = options.secret === true;
  try {
    return await answer;
  } finally {
    lines.close();
    if (muted) process.stderr.write('\n');
  }
}

const agents = {
  'trefoil-node': {
    socketPath: '/run/trefoil/node.sock',
    message: 'The agent of this host does not answer.',
  },
  'trefoil-ha': { socketPath: '/run/trefoil/ha.sock', message: 'The HA agent of this host does not answer.' },
} as const;

async function askLocal(unit: keyof typeof agents, path: string): Promise<unknown> {
  const { socketPath, message } = agents[unit];
  const dispatcher = new Agent({ connect: { socketPath }, headersTimeout: 5_000, bodyTimeout: 5_000 });
  try {
    const answer = await undiciFetch(`http://localhost${path}`, { dispatcher });
    return await answer.json();
  } catch (cause) {
    throw new AppError({
      code: 'host.no-agent',
      family: 'unavailable',
      message,
      remedy: `Be root on a Trefoil host, and see "systemctl status ${unit}".`,
      cause,
    });
  } finally {
    await dispatcher.close();
  }
}

const stop = new AbortController();
process.on('SIGINT', () => {
  stop.abort();
  // Waiting for an answer must not keep who wants to leave.
  setTimeout(() => exit(130), 500).unref();
});

const env: CliEnv = {
  out: (line) => void stdout.write(`${line}\n`),
  err: (line) => void process.stderr.write(`${line}\n`),
  interactive: stdin.isTTY,
  ask,
  variable: (name) => process.env[name],
  readFile: (path) => readFile(path, 'utf8'),
  readInput: () => text(stdin),
  async load() {
    const text = await readFile(sessionFile(), 'utf8').catch(() => undefined);
    return text === undefined ? undefined : savedSchema.parse(JSON.parse(text));
  },
  async save(session) {
    const path = sessionFile();
    if (session === undefined) return rm(path, { force: true });
    await mkdir(dirname(path), { recursive: true, mode: 0o700 });
    await writeFile(path, JSON.stringify(session), { mode: 0o600 });
    await chmod(path, 0o600);
  },
  fetchWith,
  fingerprintOf,
  localAgent: (path) => askLocal('trefoil-node', path),
  localHaAgent: (path) => askLocal('trefoil-ha', path),
  sleep: (ms) => delay(ms),
  signal: stop.signal,
};
exit(await cli(env, argv.slice(2)));
