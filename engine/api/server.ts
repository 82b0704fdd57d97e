import { createServer as createHttpServer, type Server as HttpServer } from 'node:http';
import { createServer, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import type { Duplex } from 'node:stream';
import { getRequestListener } from '@hono/node-server';
import type { Hono } from 'hono';
import type { UpgradeHandler } from './console.ts';
import type { ApiBindings } from './mount.ts';

export type ServeOptions = {
  address: string;
  port: number;
  /** PEM; without it plain HTTP, for tests on loopback */
  tls?: { certificate: string; key: string };
  /** asked for each request: before the engine is up another one answers */
  app(): Pick<Hono<ApiBindings>, 'fetch'>;
  onUpgrade: UpgradeHandler;
};
export type Served = { port: number; stop(): Promise<void> };

const headersMs = 20_000;
const graceMs = 3_000;

export async function serveApi(options: ServeOptions): Promise<Served> {
  const listener = getRequestListener(
    (request, { incoming }) =>
      options.app().fetch(request, { address: incoming.socket.remoteAddress ?? 'unknown' }),
    { overrideGlobalObjects: false },
  );
  const handle = (...[incoming, outgoing]: Parameters<typeof listener>) => void listener(incoming, outgoing);
  const server: HttpServer | Server =
    options.tls === undefined
      ? createHttpServer(handle)
      : createServer({ cert: options.tls.certificate, key: options.tls.key, minVersion: 'TLSv1.2' }, handle);
  // Uploads take as long as they take; a body that is read as JSON has its own deadline.
  server.requestTimeout = 0;
  server.headersTimeout = headersMs;
  const upgraded = new Set<Duplex>();
  server.on('upgrade', (request, socket, head) => {
    upgraded.add(socket);
    socket.once('close', () => upgraded.delete(socket));
    options.onUpgrade(request, socket, head);
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(options.port, options.address, () => resolve());
  });
  // A listening TCP server has an address object.
  const { port } = server.address() as AddressInfo;
  return { port, stop: () => stop(server, upgraded) };
}

/** Answers that are under way may end; whoever takes longer is cut off. Consoles have no end that could be waited for. */
async function stop(server: HttpServer | Server, upgraded: ReadonlySet<Duplex>): Promise<void> {
  const closed = new Promise<void>((resolve) => server.close(() => resolve()));
  server.closeIdleConnections();
  // The server waits for these too, yet no longer counts them among its connections.
  for (const socket of upgraded) socket.destroy();
  const timer = setTimeout(() => server.closeAllConnections(), graceMs);
  await closed;
  clearTimeout(timer);
}
