import { Agent as HttpAgent, request as httpRequest, type IncomingMessage } from 'node:http';
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https';
import { connectTimedOut } from './failure.ts';

export type TransportRequest = {
  endpoint: string;
  path: string;
  body: unknown;
  headers?: Record<string, string>;
  /** aborting it ends the exchange and its connection */
  signal: AbortSignal;
};

/** Carries requests to members. Throws what the network throws; `failure.ts` sorts that. */
export type EtcdTransport = {
  /** one request, the whole answer as text */
  exchange(request: TransportRequest): Promise<{ status: number; text: string }>;
  /** a streamed answer, in pieces as they arrive */
  stream(request: TransportRequest): Promise<{ status: number; chunks: AsyncIterable<Uint8Array> }>;
  close(): Promise<void>;
};

export type EtcdTls = { ca: string; cert: string; key: string };

/** No answer of ours comes near this; a member that sends more is broken. */
const maxAnswerBytes = 64 * 1024 * 1024;

/**
 * HTTP/1.1 with keep-alive over mTLS (plain HTTP when `tls` is undefined: tests only). All deadlines are the
 * caller's signals: aborting a request destroys its connection, so that a connection to a host that lost its
 * power is never used again.
 */
export function makeTransport(tls: EtcdTls | undefined, connectTimeoutMs = 1_000): EtcdTransport {
  // `timeout` ends connections that nobody uses; those in use are told, and nobody listens
  const kept = { keepAlive: true, timeout: 30_000 };
  const [request, agent, connected] =
    tls === undefined
      ? [httpRequest, new HttpAgent(kept), 'connect']
      : [httpsRequest, new HttpsAgent({ ...kept, ...tls, rejectUnauthorized: true }), 'secureConnect'];

  const send = ({ endpoint, path, body, headers, signal }: TransportRequest) =>
    new Promise<IncomingMessage>((resolve, reject) => {
      const text = JSON.stringify(body);
      const asked = request(`${endpoint}${path}`, {
        method: 'POST',
        agent,
        headers: {
          'content-type': 'application/json',
          'content-length': Buffer.byteLength(text),
          ...headers,
        },
        signal,
      });
      asked.once('socket', (socket) => {
        if (!socket.connecting) return;
        const timer = setTimeout(() => asked.destroy(notConnected(connectTimeoutMs)), connectTimeoutMs);
        for (const over of [connected, 'close']) socket.once(over, () => clearTimeout(timer));
      });
      asked.once('response', resolve);
      asked.on('error', reject);
      asked.end(text);
    });
  return {
    async exchange(wanted) {
      const answer = await send(wanted);
      const parts: Buffer[] = [];
      let size = 0;
      for await (const chunk of answer as AsyncIterable<Buffer>) {
        size += chunk.byteLength;
        if (size > maxAnswerBytes) throw new Error(`answer larger than ${maxAnswerBytes} bytes`);
        parts.push(chunk);
      }
      return { status: answer.statusCode ?? 0, text: Buffer.concat(parts).toString('utf8') };
    },
    async stream(wanted) {
      const answer = await send(wanted);
      return { status: answer.statusCode ?? 0, chunks: answer as AsyncIterable<Uint8Array> };
    },
    close: async () => agent.destroy(),
  };
}

const notConnected = (ms: number): Error =>
  Object.assign(new Error(`no connection within ${ms} ms`), { code: connectTimedOut });
