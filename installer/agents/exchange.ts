import { type ClientRequest, type IncomingMessage, request as plainRequest } from 'node:http';
import { type RequestOptions as TlsOptions, request as tlsRequest } from 'node:https';
import type { Readable } from 'node:stream';
import type { DetailedPeerCertificate, PeerCertificate } from 'node:tls';
import { AppError } from '../../node/contract/error.ts';

export type Identity = { ca: string; certificate: string; key: string };
export type HostIdentity = { hostId: string; identity: Identity };

/** The way to an agent: its unix socket on this host, or TLS. Without `trust` anybody may answer: for announcements only. */
export type Way =
  | { kind: 'socket'; path: string }
  | { kind: 'tls'; address: string; port: number; trust?: HostIdentity };

export type Exchange = {
  method: string;
  path: string;
  body?: unknown;
  /** sent as it is, instead of `body` */
  stream?: { from: Readable; bytes: number };
  signal?: AbortSignal | undefined;
  timeoutMs?: number;
};
export type Answer = { status: number; body: unknown };

const connectMs = 5_000;
const answerMs = 300_000;

/** The certificate must be the one of this very host: CN is its id, OU says that it is a host. Names do not count. */
export function checkHost(
  hostId: string,
  certificate: PeerCertificate | DetailedPeerCertificate,
): Error | undefined {
  const { CN, OU } = certificate.subject ?? {};
  return CN === hostId && OU === 'host'
    ? undefined
    : new Error(`the certificate is of ${String(OU)} ${String(CN)}, not of host ${hostId}`);
}

function send(way: Way, { method, path, stream }: Exchange, body: string | undefined): ClientRequest {
  const headers: Record<string, string | number> = { accept: 'application/json' };
  if (stream !== undefined)
    Object.assign(headers, { 'content-type': 'application/octet-stream', 'content-length': stream.bytes });
  else if (body !== undefined)
    Object.assign(headers, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) });
  // A connection a request: an agent ends all its connections when it joins or leaves.
  const common = { method, path, headers, agent: false } as const;
  if (way.kind === 'socket') return plainRequest({ ...common, socketPath: way.path });
  const { address, port, trust } = way;
  const tls: TlsOptions = { ...common, host: address, port, minVersion: 'TLSv1.3' };
  if (trust === undefined) return tlsRequest({ ...tls, rejectUnauthorized: false });
  return tlsRequest({
    ...tls,
    ca: trust.identity.ca,
    cert: trust.identity.certificate,
    key: trust.identity.key,
    checkServerIdentity: (_, certificate) => checkHost(trust.hostId, certificate),
  });
}

/** One request and its whole answer. `sent` in the error's details: whether the host may have got it. */
export async function exchange(way: Way, what: Exchange, name: string): Promise<Answer> {
  what.signal?.throwIfAborted();
  const body = what.body === undefined ? undefined : JSON.stringify(what.body);
  return await new Promise<Answer>((resolve, reject) => {
    let sent = false;
    const asked = send(way, what, body);
    const fail = (cause: unknown) => {
      clearTimeout(timer);
      asked.destroy();
      reject(what.signal?.aborted === true ? what.signal.reason : unreachable(name, way, sent, cause));
    };
    let timer = setTimeout(() => fail(new Error(`no connection within ${connectMs} ms`)), connectMs);
    const connected = () => {
      sent = true;
      clearTimeout(timer);
      const limit = what.timeoutMs ?? answerMs;
      timer = setTimeout(() => fail(new Error(`no answer within ${limit} ms`)), limit);
    };
    asked.on('socket', (socket) =>
      socket.once(way.kind === 'socket' ? 'connect' : 'secureConnect', connected),
    );
    asked.on('error', fail);
    asked.on('response', (response) => {
      readAnswer(response).then((answer) => {
        clearTimeout(timer);
        resolve(answer);
      }, fail);
    });
    what.signal?.addEventListener('abort', () => fail(undefined), { once: true });
    if (what.stream === undefined) asked.end(body);
    else what.stream.from.on('error', fail).pipe(asked);
  });
}

async function readAnswer(response: IncomingMessage): Promise<Answer> {
  const chunks: Buffer[] = [];
  for await (const chunk of response) chunks.push(Buffer.from(chunk));
  const text = Buffer.concat(chunks).toString();
  const status = response.statusCode ?? 0;
  if (text === '') return { status, body: undefined };
  try {
    return { status, body: JSON.parse(text) };
  } catch {
    return { status, body: text };
  }
}

const strangers = new Set([
  'DEPTH_ZERO_SELF_SIGNED_CERT',
  'SELF_SIGNED_CERT_IN_CHAIN',
  'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
  'CERT_SIGNATURE_FAILURE',
]);

function unreachable(name: string, way: Way, sent: boolean, cause: unknown): AppError {
  const code = cause instanceof Error && 'code' in cause ? String(cause.code) : '';
  const where = way.kind === 'socket' ? way.path : `${way.address}, port ${way.port}`;
  if (strangers.has(code))
    return new AppError({
      code: 'host.not-ours',
      family: 'unavailable',
      message: `What answers at ${where} does not show a certificate of this cluster.`,
      remedy: `See whether ${name} left the cluster, or another machine took its address.`,
      details: { sent: false },
      cause,
    });
  return new AppError({
    code: 'host.unreachable',
    family: 'unavailable',
    message:
      way.kind === 'socket'
        ? 'The host agent of this machine does not answer.'
        : sent
          ? `${name} (${where}) did not answer in time.`
          : `${name} cannot be reached at ${where}.`,
    remedy:
      way.kind === 'socket'
        ? 'See "systemctl status trefoil-node".'
        : `See whether ${name} is switched on and its cables are in.`,
    details: { sent },
    cause,
  });
}
