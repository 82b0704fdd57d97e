import { Agent, type IncomingMessage, request } from 'node:http';
import type { Duplex } from 'node:stream';
import { TLSSocket, connect as tlsConnect } from 'node:tls';
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
  const agent = new OneConnection(socket);
  return {
    binding,
    call: async (path, body, reply, timeoutMs = callMs) => {
      const answer = await post(agent, path, JSON.stringify(body), timeoutMs).catch((error: unknown) => {
        throw unreachable(target.address, target.port, error);
      });
      if (answer.status >= 400) throw failureOf(answer.text, target.address);
      const parsed = reply.safeParse(jsonOf(answer.text));
      if (!parsed.success) throw unreadable(target.address, parsed.error);
      return parsed.data;
    },
    close: () => {
      agent.destroy();
      socket.destroy();
    },
  };
}

/** Only this one connection: another would have another exporter, so a lost connection ends the pairing. */
class OneConnection extends Agent {
  #socket: TLSSocket | undefined;
  constructor(socket: TLSSocket) {
    super({ keepAlive: true, maxSockets: 1 });
    this.#socket = socket;
  }
  override createConnection(_: unknown, callback?: (error: Error | null, stream: Duplex) => void) {
    const socket = this.#socket;
    this.#socket = undefined;
    if (socket !== undefined) return socket;
    // without an error's second argument by Node's own habit
    (callback as ((error: Error) => void) | undefined)?.(new Error('the connection of this pairing is gone'));
    return undefined;
  }
  /** However long a person thinks between two calls. */
  override keepSocketAlive(): boolean {
    return true;
  }
}

function post(agent: Agent, path: string, body: string, timeoutMs: number) {
  return new Promise<{ status: number; text: string }>((resolve, reject) => {
    const asked = request({
      method: 'POST',
      host: 'pairing.invalid',
      path,
      agent,
      headers: { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) },
      signal: AbortSignal.timeout(timeoutMs),
    });
    asked.on('error', reject);
    asked.once('response', (answer) => {
      let text = '';
      answer.setEncoding('utf8');
      answer.on('data', (chunk: string) => {
        text += chunk;
      });
      answer.once('end', () => resolve({ status: answer.statusCode ?? 0, text }));
      answer.once('error', reject);
    });
    asked.end(body);
  });
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
