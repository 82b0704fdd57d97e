import { constants } from 'node:crypto';
import { chmod, mkdir, rm } from 'node:fs/promises';
import { createServer, type IncomingMessage, type RequestListener, type Server } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo, Socket } from 'node:net';
import { dirname } from 'node:path';
import type { Duplex } from 'node:stream';
import type { TLSSocket } from 'node:tls';
import type { TlsIdentity } from '../identity/identity.ts';

export type Listeners = {
  request: RequestListener;
  upgrade(incoming: IncomingMessage, socket: Duplex, head: Buffer): void;
};

/** One door where requests come in. */
export type Door = { close(): Promise<void> };

export type TlsDoorEnv = {
  host: string;
  port: number;
  tls(): TlsIdentity;
  onIdentityChange(listener: () => void): () => void;
  listeners: Listeners;
  /** how long answers that are on their way may take when the identity changes */
  graceMs?: number;
};

const handshakeMs = 10_000;
const mostStrangers = 64;
const mostConnections = 4_096;
const keepAliveMs = 180_000;

/**
 * The agent's door to the network: TLS 1.3, a client certificate asked for but not required, since pairing clients have
 * none that we could know. What a caller may do is decided per request. Sessions are never resumed: a ticket would carry
 * yesterday's verdict. When the host joins or leaves, new connections get the new certificate and authority at once, and
 * the old connections end.
 */
export async function openTlsDoor(env: TlsDoorEnv): Promise<Door & { port: number }> {
  const server = createTlsServer(
    {
      ...contextOf(env.tls()),
      requestCert: true,
      rejectUnauthorized: false,
      handshakeTimeout: handshakeMs,
      ALPNProtocols: ['http/1.1'],
    },
    env.listeners.request,
  );
  tune(server);
  server.on('upgrade', env.listeners.upgrade);

  const open = new Set<Socket>();
  let strangers = 0;
  server.on('secureConnection', (socket: TLSSocket) => {
    open.add(socket);
    socket.once('close', () => open.delete(socket));
    if (socket.authorized) return;
    // Whoever is on the network can connect; they can keep each other out, but not the cluster.
    strangers++;
    socket.once('close', () => strangers--);
    if (strangers > mostStrangers) socket.destroy();
  });

  const stopListening = env.onIdentityChange(() => {
    server.setSecureContext(contextOf(env.tls()));
    const old = [...open];
    const grace = setTimeout(() => {
      for (const socket of old) socket.destroy();
    }, env.graceMs ?? 1_000);
    grace.unref();
  });

  await listen(server, () => server.listen(env.port, env.host));
  const address = server.address() as AddressInfo; // listening on TCP
  return {
    port: address.port,
    close: async () => {
      stopListening();
      for (const socket of open) socket.destroy();
      await closeServer(server);
    },
  };
}

function contextOf({ key, certificate, ca }: TlsIdentity) {
  return {
    key,
    cert: certificate,
    // Without an authority of its own Node would trust the public ones: an unjoined host trusts nobody but itself.
    ca: [ca ?? certificate],
    minVersion: 'TLSv1.3' as const,
    secureOptions: constants.SSL_OP_NO_TICKET,
  };
}

/** Root's door on this host: whoever can open the socket is root, so every caller is `local`. */
export async function openLocalDoor(path: string, listeners: Listeners): Promise<Door> {
  await mkdir(dirname(path), { recursive: true, mode: 0o711 });
  await rm(path, { force: true });
  const server = createServer(listeners.request);
  tune(server);
  server.on('upgrade', listeners.upgrade);
  const open = new Set<Socket>();
  server.on('connection', (socket) => {
    open.add(socket);
    socket.once('close', () => open.delete(socket));
  });
  // Connecting needs write permission, which no umask in use gives to others; the mode only says it once more.
  await listen(server, () => server.listen(path));
  await chmod(path, 0o600);
  return {
    close: async () => {
      for (const socket of open) socket.destroy();
      await closeServer(server);
    },
  };
}

function tune(server: Server): void {
  server.headersTimeout = 15_000;
  // An image may take its time to come; JSON bodies have a deadline of their own (answer.ts).
  server.requestTimeout = 0;
  server.keepAliveTimeout = keepAliveMs;
  server.maxConnections = mostConnections;
  server.on('clientError', (_, socket) => socket.destroy());
}

function listen(server: Server, begin: () => void): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.once('listening', () => {
      server.removeListener('error', reject);
      resolve();
    });
    begin();
  });
}

function closeServer(server: Server): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve());
    server.closeAllConnections();
  });
}
