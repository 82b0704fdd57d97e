import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { type RawData, type WebSocket, WebSocketServer } from 'ws';
import { AppError, asAppError, httpStatusOf } from '../../node/contract/error.ts';
import { consolePath } from '../contract/routes.ts';
import type { HostEntry } from '../hosts/hosts.ts';
import type { Log } from '../log/log.ts';
import { type Ticket, type Tickets, wrongTicket } from '../vms/console.ts';
import { refuseForeignOrigin } from './caller.ts';

export type ConsoleEnv = {
  tickets: Tickets;
  log: Log;
  /** the host that has the VM's screen now */
  hostOf(ticket: Ticket): HostEntry;
  stands(tokenHash: string): Promise<boolean>;
};

export type UpgradeHandler = (request: IncomingMessage, socket: Duplex, head: Buffer) => void;

const connectMs = 5_000;
/** As much may wait for a slow browser before the VM's screen is asked to wait. */
const mostWaiting = 1024 * 1024;
const checkSessionMs = 15_000;

/** WebSocket <-> the VM's VNC stream on its host; bytes both ways, neither side faster than the other can take. */
export function makeConsole(env: ConsoleEnv): UpgradeHandler {
  const server = new WebSocketServer({
    noServer: true,
    perMessageDeflate: false,
    maxPayload: 16 * 1024 * 1024,
    handleProtocols: (offered) => (offered.has('binary') ? 'binary' : false),
  });
  return (request, socket, head) => {
    socket.on('error', () => socket.destroy());
    open(env, request)
      .then(({ stream, ticket }) => {
        if (socket.destroyed) return void stream.destroy();
        server.handleUpgrade(request, socket, head, (browser) => {
          env.log.info('console opened', { vm: ticket.vmId, user: ticket.user });
          join(browser, stream);
          watchSession(env, browser, ticket);
          browser.once('close', () => env.log.info('console closed', { vm: ticket.vmId, user: ticket.user }));
        });
      })
      .catch((thrown: unknown) => refuse(socket, asAppError(thrown, 'opening a console')));
  };
}

async function open(env: ConsoleEnv, request: IncomingMessage): Promise<{ stream: Duplex; ticket: Ticket }> {
  const url = new URL(request.url ?? '/', 'https://engine');
  if (url.pathname !== consolePath)
    throw new AppError({ code: 'route.missing', family: 'missing', message: 'There is no such stream.' });
  const headers = new Headers();
  for (const name of ['origin', 'host'] as const) {
    const value = request.headers[name];
    if (value !== undefined) headers.set(name, value);
  }
  refuseForeignOrigin(headers);
  const ticket = env.tickets.redeem(url.searchParams.get('ticket'));
  // Whoever has logged out since has no use for it; somebody else might.
  if (!(await env.stands(ticket.tokenHash))) throw wrongTicket();
  const entry = env.hostOf(ticket);
  const stream = await entry.link.upgrade(
    `/v1/vms/${ticket.vmId}/console`,
    'trefoil-vnc',
    AbortSignal.timeout(connectMs),
  );
  return { stream, ticket };
}

function refuse(socket: Duplex, error: AppError): void {
  const body = JSON.stringify(error.toBody());
  socket.end(
    [
      `HTTP/1.1 ${httpStatusOf[error.family]} Refused`,
      'Connection: close',
      'Content-Type: application/json',
      `Content-Length: ${Buffer.byteLength(body)}`,
      '',
      body,
    ].join('\r\n'),
  );
}

const bytesOf = (data: RawData): Uint8Array =>
  Array.isArray(data) ? Buffer.concat(data) : data instanceof ArrayBuffer ? new Uint8Array(data) : data;

function join(browser: WebSocket, stream: Duplex): void {
  stream.on('data', (chunk: Buffer) => {
    browser.send(chunk, { binary: true }, () => {
      if (stream.isPaused() && browser.bufferedAmount < mostWaiting / 2) stream.resume();
    });
    if (browser.bufferedAmount > mostWaiting) stream.pause();
  });
  browser.on('message', (data) => {
    if (!stream.write(bytesOf(data))) browser.pause();
  });
  stream.on('drain', () => browser.resume());
  stream.on('error', () => browser.close(1011, 'the console was interrupted'));
  stream.on('close', () => browser.close(1000, 'the console has ended'));
  browser.on('error', () => stream.destroy());
  browser.on('close', () => stream.destroy());
}

/** A session that has ended takes its consoles with it. */
function watchSession(env: ConsoleEnv, browser: WebSocket, ticket: Ticket): void {
  const timer = setInterval(() => {
    env.stands(ticket.tokenHash).then(
      (stands) => stands || browser.close(1008, 'the session has ended'),
      () => {},
    );
  }, checkSessionMs);
  browser.once('close', () => clearInterval(timer));
}
