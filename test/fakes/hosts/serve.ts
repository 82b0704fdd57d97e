import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import type { Duplex } from 'node:stream';
import { TLSSocket } from 'node:tls';
import type { CallerRole } from '../../../node/contract/routes.ts';
import { subjectOf } from '../../../node/identity/certificate.ts';
import { handle } from './dispatch.ts';
import { streamEvents } from './events.ts';
import { announcementOf } from './handlers-host.ts';
import { addImage } from './handlers-storage.ts';
import type { FakeHost, FakeVm, FakeWorld } from './model.ts';

export type ServeOptions = {
  /** PEM; the certificate is the host's own: CN = host id, OU = host */
  ca: string;
  certificate: string;
  key: string;
  port?: number;
  address?: string;
  eventsEveryMs?: number;
  /** what answers on a VM's console; absent: the console is refused */
  onConsole?: (host: FakeHost, vm: FakeVm, socket: Duplex) => void;
};

export type ServedHost = { host: FakeHost; address: string; port: number; close(): Promise<void> };

/** A simulated host behind the real thing's TLS: same port layout, same roles, same streams. */
export async function serveHost(
  world: FakeWorld,
  host: FakeHost,
  options: ServeOptions,
): Promise<ServedHost> {
  const server = createServer(
    {
      ca: options.ca,
      cert: options.certificate,
      key: options.key,
      requestCert: true,
      rejectUnauthorized: false,
    },
    (request, response) => void answer(world, host, options, request, response),
  );
  server.on('upgrade', (request, socket) => upgrade(host, options, request, socket));
  const address = options.address ?? '127.0.0.1';
  await new Promise<void>((resolve) => server.listen(options.port ?? 0, address, resolve));
  // A listening TCP server has an address object.
  const { port } = server.address() as AddressInfo;
  return { host, address, port, close: () => closeServer(server) };
}

async function closeServer(server: Server): Promise<void> {
  server.closeAllConnections();
  await new Promise<void>((resolve) => server.close(() => resolve()));
}

function roleOf(request: IncomingMessage): CallerRole | undefined {
  const socket = request.socket;
  if (!(socket instanceof TLSSocket) || !socket.authorized) return undefined;
  const certificate = socket.getPeerX509Certificate();
  return certificate === undefined ? undefined : subjectOf(certificate)?.role;
}

async function answer(
  world: FakeWorld,
  host: FakeHost,
  options: ServeOptions,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const json = (status: number, body: unknown) => {
    response.writeHead(body === undefined ? 204 : status, { 'content-type': 'application/json' });
    response.end(body === undefined ? undefined : JSON.stringify(body));
  };
  if (!host.powered) return void request.socket.destroy();
  const url = new URL(request.url ?? '/', 'https://host');
  if (url.pathname === '/pair/v1/host') return json(200, announcementOf(world, host));
  const role = roleOf(request);
  if (role === undefined)
    return json(403, {
      error: { code: 'caller.unknown', family: 'denied', message: 'Who is asking?', retry: 'never' },
    });
  if (url.pathname === '/v1/events') return await sendEvents(world, host, options, request, response);
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(Buffer.from(chunk));
  const upload = /^\/v1\/images\/([0-9a-f-]{36})$/.exec(url.pathname);
  if (upload !== null && request.method === 'PUT') {
    const size = chunks.reduce((sum, chunk) => sum + chunk.length, 0);
    addImage(world, host, {
      id: upload[1] ?? '',
      name: url.searchParams.get('name') ?? '',
      volume: url.searchParams.get('volume') ?? 'data',
      format: url.searchParams.get('format') === 'raw' ? 'raw' : 'qcow2',
      sizeMiB: Math.ceil(size / 1024 / 1024),
    });
    return json(200, undefined);
  }
  const serial = /^\/v1\/vms\/([0-9a-f-]{36})\/serial-log$/.exec(url.pathname);
  if (serial !== null) {
    const text = vmOf(host, serial[1])?.serial ?? '';
    response.writeHead(200, { 'content-type': 'text/plain' });
    return void response.end(text.slice(-Number(url.searchParams.get('bytes') ?? 65_536)));
  }
  const text = Buffer.concat(chunks).toString();
  const { status, body } = await handle(world, host, role, {
    method: request.method ?? 'GET',
    path: url.pathname,
    body: text === '' ? undefined : JSON.parse(text),
  });
  json(status, body);
}

const vmOf = (host: FakeHost, id: string | undefined): FakeVm | undefined =>
  [...host.kept.vms.values()].find((vm) => vm.spec.id === id);

async function sendEvents(
  world: FakeWorld,
  host: FakeHost,
  options: ServeOptions,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  response.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-store' });
  let id = 0;
  const end = await streamEvents(
    world,
    host,
    (event) => {
      // Without power nothing is sent, and the connection breaks off.
      if (!host.powered) return void request.socket.destroy();
      id += 1;
      response.write(`id: ${id}\nevent: ${event.kind}\ndata: ${JSON.stringify(event)}\n\n`);
    },
    options.eventsEveryMs,
  );
  request.on('close', end);
}

function upgrade(host: FakeHost, options: ServeOptions, request: IncomingMessage, socket: Duplex): void {
  const found = /^\/v1\/vms\/([0-9a-f-]{36})\/console$/.exec(request.url ?? '');
  const vm = vmOf(host, found?.[1]);
  if (vm === undefined || options.onConsole === undefined || roleOf(request) !== 'engine') {
    socket.end('HTTP/1.1 404 Not Found\r\nConnection: close\r\n\r\n');
    return;
  }
  socket.write('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: trefoil-vnc\r\n\r\n');
  options.onConsole(host, vm, socket);
}
