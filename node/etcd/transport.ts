import { Agent, request } from 'undici';

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
  const agent = new Agent({
    allowH2: false,
    headersTimeout: 0,
    bodyTimeout: 0,
    pipelining: 1,
    keepAliveTimeout: 30_000,
    connect: {
      timeout: connectTimeoutMs,
      ...(tls === undefined ? {} : { ...tls, rejectUnauthorized: true }),
    },
  });
  const send = ({ endpoint, path, body, headers, signal }: TransportRequest) =>
    request(`${endpoint}${path}`, {
      method: 'POST',
      dispatcher: agent,
      headers: { 'content-type': 'application/json', ...headers },
      body: JSON.stringify(body),
      signal,
    });
  return {
    async exchange(wanted) {
      const answer = await send(wanted);
      const parts: Uint8Array[] = [];
      let size = 0;
      for await (const chunk of answer.body as AsyncIterable<Uint8Array>) {
        size += chunk.byteLength;
        if (size > maxAnswerBytes) throw new Error(`answer larger than ${maxAnswerBytes} bytes`);
        parts.push(chunk);
      }
      return { status: answer.statusCode, text: Buffer.concat(parts).toString('utf8') };
    },
    async stream(wanted) {
      const answer = await send(wanted);
      return { status: answer.statusCode, chunks: answer.body as AsyncIterable<Uint8Array> };
    },
    close: () => agent.destroy(),
  };
}
