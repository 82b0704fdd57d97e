import { randomUUID } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { Agent as HttpAgent, request as httpRequest } from 'node:http';
import { Agent, type RequestOptions, request } from 'node:https';
import { tmpdir } from 'node:os';
import { join as joinPath } from 'node:path';
import { getRequestListener } from '@hono/node-server';
import { answerUnreadable } from '../../node/api/answer.ts';
import { type AppEnv, makeApp } from '../../node/api/app.ts';
import { tlsCallerOf } from '../../node/api/caller.ts';
import { makeEventHub } from '../../node/api/events.ts';
import type { NodeHandlers, StreamHandlers } from '../../node/api/handlers.ts';
import { mountLocal } from '../../node/api/routes-local.ts';
import { type Listeners, openLocalDoor, openTlsDoor } from '../../node/api/server.ts';
import { answerUpgrade } from '../../node/api/upgrade.ts';
import { AppError, errorBodySchema } from '../../node/contract/error.ts';
import type { NodeEvent } from '../../node/contract/events.ts';
import { nodeRoutes } from '../../node/contract/routes.ts';
import { type Identity, openIdentity } from '../../node/identity/identity.ts';
import { silentLog } from '../../node/log/log.ts';
import type { TestCa, TestCertificate } from '../support/certificates.ts';

/** The agent's two doors with real TLS on loopback, and handlers that only say that they were reached. */
const never = () => Promise.reject(new Error('no such stream in this test'));
const reached = () => {
  throw new AppError({ code: 'test.reached', family: 'conflict', message: 'The handler was reached.' });
};

export type Doors = Awaited<ReturnType<typeof openDoors>>;

export async function openDoors(
  ca: TestCa,
  options: {
    joined?: boolean;
    handlers?: Partial<NodeHandlers>;
    streams?: Partial<StreamHandlers>;
    snapshot?: () => Promise<NodeEvent[]>;
  } = {},
) {
  const directory = await mkdtemp(joinPath(tmpdir(), 'trefoil-api-'));
  const closers: (() => unknown)[] = [() => rm(directory, { recursive: true, force: true })];
  const identity = await openIdentity({ directory, now: () => new Date(), log: silentLog });
  if (options.joined !== false) await joinCluster(ca, identity);
  const hub = makeEventHub();
  const handlers: NodeHandlers = {
    // every name of the table has a handler, which fits all of them because it never returns
    ...(Object.fromEntries(
      Object.keys(nodeRoutes).map((name) => [name, reached]),
    ) as unknown as NodeHandlers),
    getTask: ({ params }) => reachedWith(params.id),
    getUnits: () => [{ name: 'a.service', activeState: 'active', subState: 'running' }],
    leave: async () => {
      await identity.leave();
      return undefined;
    },
    ...options.handlers,
  };
  const streams: StreamHandlers = {
    console: never,
    serial: never,
    libvirtTunnel: never,
    migrationTunnel: never,
    serialLog: async (_, bytes) => Buffer.from(`newest ${bytes}`),
    uploadImage: async ({ id, sizeBytes }, content) => {
      let seen = 0;
      for await (const chunk of content) seen += chunk.length;
      throw new AppError({
        code: 'test.upload',
        family: 'conflict',
        message: `${id} ${seen} of ${sizeBytes}`,
      });
    },
    ...options.streams,
  };
  const env = (callerOf: AppEnv['callerOf']): AppEnv => ({
    handlers,
    streams,
    events: {
      hub,
      snapshot: options.snapshot ?? (async () => []),
      heartbeatMs: 100,
      maxUnreadBytes: 256 * 1024,
    },
    membership: identity.membership,
    callerOf,
    log: silentLog,
  });
  const listeners = (one: AppEnv, more: Parameters<typeof makeApp>[1] = () => {}) => ({
    request: getRequestListener(makeApp(one, more).fetch, { errorHandler: answerUnreadable }),
    upgrade: (...args: Parameters<Listeners['upgrade']>) => void answerUpgrade(one, ...args),
  });
  const door = await openTlsDoor({
    host: '127.0.0.1',
    port: 0,
    tls: identity.tls,
    onIdentityChange: identity.onChange,
    graceMs: 100,
    listeners: listeners(env(tlsCallerOf)),
  });
  closers.push(() => door.close());
  const socketPath = joinPath(directory, 'run', 'node.sock');
  const local = await openLocalDoor(
    socketPath,
    listeners(
      env(() => ({ kind: 'local' })),
      (app) =>
        mountLocal(app, {
          membership: identity.membership,
          identity,
          code: () => ({ code: 'ABCDEFGH', triesLeft: 5 }),
        }),
    ),
  );
  closers.push(() => local.close());
  return {
    identity,
    hub,
    port: door.port,
    socketPath,
    closers,
    close: async () => {
      for (const close of closers.splice(0).reverse()) await close();
    },
  };
}

const reachedWith = (text: string): never => {
  throw new AppError({ code: 'test.reached', family: 'conflict', message: text });
};

async function joinCluster(ca: TestCa, identity: Identity): Promise<void> {
  await identity.join({
    clusterId: randomUUID(),
    clusterName: 'office',
    hostName: 'host1',
    certificate: await ca.sign(await identity.csr(), {
      id: identity.id,
      role: 'host',
      addresses: ['127.0.0.1'],
    }),
    caCertificate: ca.certificate,
  });
}

export type Answer = { status: number; code: string; text: string };
export type Ask = (method: string, path: string, body?: string) => Promise<Answer>;

function answerOf(
  send: typeof httpRequest,
  options: RequestOptions,
  body: string | undefined,
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const headers =
      body === undefined
        ? {}
        : { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) };
    const sent = send({ ...options, headers }, (answer) => {
      let text = '';
      answer.on('data', (chunk) => {
        text += String(chunk);
      });
      answer.on('end', () => {
        const parsed = errorBodySchema.safeParse(text.startsWith('{') ? JSON.parse(text) : undefined);
        resolve({ status: answer.statusCode ?? 0, code: parsed.data?.error.code ?? '', text });
      });
    });
    sent.on('error', reject);
    sent.end(body);
  });
}

export function clientOf(world: Doors, certificate: TestCertificate | undefined): Ask {
  const agent = new Agent({
    keepAlive: true,
    maxSockets: 2,
    rejectUnauthorized: false,
    ...(certificate === undefined ? {} : { key: certificate.key, cert: certificate.certificate }),
  });
  world.closers.push(() => agent.destroy());
  return (method, path, body) => {
    return answerOf(request, { host: '127.0.0.1', port: world.port, method, path, agent }, body);
  };
}

export const localClient = (world: Doors): Ask => {
  const agent = new HttpAgent({ keepAlive: true });
  world.closers.push(() => agent.destroy());
  return (method, path, body) =>
    answerOf(httpRequest, { socketPath: world.socketPath, method, path, agent }, body);
};
