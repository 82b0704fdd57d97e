import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { AppError, asAppError } from '../contract/error.ts';
import type { Membership } from '../contract/host.ts';
import { type VmId, vmIdSchema } from '../contract/ids.ts';
import type { CallerRole } from '../contract/routes.ts';
import type { Log } from '../log/log.ts';
import { statusOf } from './answer.ts';
import { refusalOf } from './authorize.ts';
import { callerText } from './caller.ts';
import type { Caller, StreamHandlers } from './handlers.ts';

export type UpgradeEnv = {
  streams: StreamHandlers;
  membership(): Membership;
  callerOf(incoming: IncomingMessage): Caller;
  log: Log;
};

type UpgradeRoute = {
  path: RegExp;
  protocol: string;
  roles: readonly CallerRole[];
  open(streams: StreamHandlers, id: VmId | undefined, caller: Caller, signal: AbortSignal): Promise<Duplex>;
};

const viewers: readonly CallerRole[] = ['engine', 'installer'];
const hosts: readonly CallerRole[] = ['host'];
const hostIdOf = (caller: Caller): string => (caller.kind === 'peer' ? caller.id : '');
const needed = (id: VmId | undefined): VmId => {
  if (id === undefined) throw noSuchUpgrade();
  return id;
};

const routes: readonly UpgradeRoute[] = [
  {
    path: /^\/v1\/vms\/([^/]+)\/console$/,
    protocol: 'trefoil-vnc',
    roles: viewers,
    open: (streams, id, _, signal) => streams.console(needed(id), signal),
  },
  {
    path: /^\/v1\/vms\/([^/]+)\/serial$/,
    protocol: 'trefoil-serial',
    roles: viewers,
    open: (streams, id, _, signal) => streams.serial(needed(id), signal),
  },
  {
    path: /^\/v1\/tunnel\/libvirt$/,
    protocol: 'trefoil-tunnel',
    roles: hosts,
    open: (streams, _, caller, signal) => streams.libvirtTunnel(hostIdOf(caller), signal),
  },
  {
    path: /^\/v1\/tunnel\/migration\/([^/]+)$/,
    protocol: 'trefoil-tunnel',
    roles: hosts,
    open: (streams, id, caller, signal) => streams.migrationTunnel(needed(id), hostIdOf(caller), signal),
  },
];

/**
 * Answers `Upgrade`: 101 and from then on raw bytes both ways, or an error body as every other route.
 *   GET /v1/vms/{id}/console HTTP/1.1        HTTP/1.1 101 Switching Protocols
 *   Connection: Upgrade                      Connection: Upgrade
 *   Upgrade: trefoil-vnc                     Upgrade: trefoil-vnc
 */
export async function answerUpgrade(
  env: UpgradeEnv,
  incoming: IncomingMessage,
  socket: Duplex,
  head: Buffer,
): Promise<void> {
  const gone = new AbortController();
  socket.on('error', () => socket.destroy());
  socket.once('close', () => gone.abort(new Error('the caller has gone')));
  const caller = env.callerOf(incoming);
  const path = new URL(incoming.url ?? '/', 'http://host').pathname;
  try {
    const route = routes.find((one) => one.path.test(path));
    if (route === undefined || incoming.headers.upgrade !== route.protocol) throw noSuchUpgrade();
    const refusal = refusalOf(route.roles, caller, env.membership());
    if (refusal !== undefined) throw refusal;
    const given = route.path.exec(path)?.[1];
    const id = given === undefined ? undefined : vmIdSchema.safeParse(given).data;
    const inner = await route.open(env.streams, id, caller, gone.signal);
    if (socket.destroyed) {
      inner.destroy();
      return;
    }
    env.log.info('stream opened', { path, caller: callerText(caller) });
    socket.write(
      `HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: ${route.protocol}\r\n\r\n`,
    );
    if (head.length > 0) inner.write(head);
    join(socket, inner);
    socket.once('close', () => env.log.info('stream closed', { path, caller: callerText(caller) }));
  } catch (thrown) {
    const error = asAppError(thrown, `opening ${path}`);
    env.log.error('stream refused', thrown, { path, caller: callerText(caller) });
    const body = JSON.stringify(error.toBody());
    socket.end(
      `HTTP/1.1 ${statusOf(error)} Refused\r\nConnection: close\r\nContent-Type: application/json\r\n` +
        `Content-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
    );
  }
}

/** Bytes both ways with backpressure; the end of one side's sending is passed on, an error or a close ends both. */
export function join(one: Duplex, other: Duplex): void {
  one.pipe(other);
  other.pipe(one);
  for (const [mine, yours] of [
    [one, other],
    [other, one],
  ] as const) {
    mine.on('error', () => {
      mine.destroy();
      yours.destroy();
    });
    mine.once('close', () => yours.destroy());
  }
}

const noSuchUpgrade = (): AppError =>
  new AppError({
    code: 'route.missing',
    family: 'missing',
    message: 'There is no stream of that name and protocol here.',
  });
