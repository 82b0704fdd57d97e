import type { IncomingMessage } from 'node:http';
import { TLSSocket, connect as tlsConnect } from 'node:tls';
import { Client } from 'undici';
import type { z } from 'zod';
import { AppError, errorBodySchema } from '../contract/error.ts';
import { type ChannelBinding, exporterBytes, exporterLabel } from './exchange.ts';
import { unreachable, unreadable } from './failure.ts';
import type { PairingChannel } from './responder.ts';

/** One TLS connection to another host, over which a pairing's calls go one after the other. */
export type InitiatorChannel = {
  binding: ChannelBinding;
  call<T extends z.ZodType>(path: string, body: unknown, reply: T, timeoutMs?: number): Promise<z.output<T>>;
  close(): void;
};

export type ChannelTarget = { address: string; port: number; key: string; certificate: string };

const connectMs = 10_000;
const callMs = 30_000;

export async function openChannel(target: ChannelTarget): Promise<InitiatorChannel> {
  const socket = await connectTls(target);
  const binding = bindingOf(socket, 'initiator');
  if (binding === undefined) {
    socket.destroy();
    throw unreadable(target.address, new Error('no certificate'));
  }
  let given = false;
  const client = new Client('https://pairing.invalid', {
    // Only this one connection: another would have another exporter, so a lost connection ends the pairing.
    // The client wants its answer in a later turn.
    connect: (_, callback) => {
      const lost = given;
      given = true;
      setImmediate(() => {
        if (lost) callback(new Error('the connection of this pairing is gone'), null);
        else callback(null, socket);
      });
    },
    keepAliveTimeout: 180_000,
    keepAliveMaxTimeout: 180_000,
    pipelining: 1,
  });
  return {
    binding,
    call: async (path, body, reply, timeoutMs = callMs) => {
      const answer = await client
        .request({
          method: 'POST',
          path,
          headers: { 'content-type': 'application/json' },
          body: JSON.stringify(body),
          headersTimeout: timeoutMs,
          bodyTimeout: timeoutMs,
        })
        .catch((error: unknown) => {
          throw unreachable(target.address, target.port, error);
        });
      const text = await answer.body.text();
      if (answer.statusCode >= 400) throw failureOf(text, target.address);
      const parsed = reply.safeParse(jsonOf(text));
      if (!parsed.success) throw unreadable(target.address, parsed.error);
      return parsed.data;
    },
    close: () => {
      client.destroy().catch(() => {});
      socket.destroy();
    },
  };
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function failureOf(text: string, address: string): AppError {
  const parsed = errorBodySchema.safeParse(jsonOf(text));
  return parsed.success ? AppError.fromBody(parsed.data) : unreadable(address, new Error('no error body'));
}

function connectTls({ address, port, key, certificate }: ChannelTarget): Promise<TLSSocket> {
  return new Promise((resolve, reject) => {
    // Certificates are not checked here: the PAKE does it, bound to this channel.
    const socket = tlsConnect({
      host: address,
      port,
      key,
      cert: certificate,
      minVersion: 'TLSv1.3',
      rejectUnauthorized: false,
      ALPNProtocols: ['http/1.1'],
    });
    const failed = (cause: unknown) => {
      socket.destroy();
      reject(unreachable(address, port, cause));
    };
    socket.setTimeout(connectMs, () => failed(new Error('timed out')));
    socket.once('error', failed);
    socket.once('secureConnect', () => {
      socket.setTimeout(0);
      socket.removeListener('error', failed);
      socket.on('error', () => {});
      resolve(socket);
    });
  });
}

/** What this end knows of the channel; undefined when the other end showed no certificate, or there is no TLS 1.3. */
export function bindingOf(socket: TLSSocket, role: 'initiator' | 'responder'): ChannelBinding | undefined {
  const own = socket.getX509Certificate();
  const peer = socket.getPeerX509Certificate();
  if (own === undefined || peer === undefined || socket.getProtocol() !== 'TLSv1.3') return undefined;
  const [initiator, responder] = role === 'initiator' ? [own, peer] : [peer, own];
  const bytes = (fingerprint: string) => Buffer.from(fingerprint.replaceAll(':', ''), 'hex');
  return {
    exporter: socket.exportKeyingMaterial(exporterBytes, exporterLabel, Buffer.alloc(0)),
    initiatorFingerprint: bytes(initiator.fingerprint256),
    responderFingerprint: bytes(responder.fingerprint256),
  };
}

/** The responder's end: the channel of a request's connection, made when first asked for; `closed` is told when it ends. */
export function makeChannels(
  closed: (channel: PairingChannel) => void,
): (incoming: IncomingMessage) => PairingChannel | undefined {
  const known = new WeakMap<TLSSocket, PairingChannel>();
  return ({ socket }) => {
    if (!(socket instanceof TLSSocket)) return undefined;
    const before = known.get(socket);
    if (before !== undefined) return before;
    const binding = bindingOf(socket, 'responder');
    if (binding === undefined) return undefined;
    const channel = { binding };
    known.set(socket, channel);
    socket.once('close', () => closed(channel));
    return channel;
  };
}
