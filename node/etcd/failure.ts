import { AppError, type ErrorFamily } from '../contract/error.ts';
import { gatewayErrorSchema } from './wire.ts';

/**
 * What a failed attempt means for the caller:
 *   not-applied  it certainly changed nothing (never sent, or turned away at the door): another member may be asked
 *   unknown      it may have been applied: asking again is safe only if doing it twice is
 *   refused      etcd has answered for good: no other member will say otherwise
 */
export type Failure = { kind: 'not-applied' | 'unknown' | 'refused'; reason: string; error: unknown };

export const connectTimedOut = 'ECONNECT_TIMEOUT';

/** Codes of errors that come before the request's first byte leaves. */
const beforeSending = new Set([
  'ECONNREFUSED',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'EHOSTDOWN',
  'EADDRNOTAVAIL',
  'ENOTFOUND',
  'EAI_AGAIN',
  connectTimedOut,
]);

const codeOf = (error: unknown): string =>
  typeof error === 'object' && error !== null && 'code' in error ? String(error.code) : '';

/** TLS refuses before a request is written; with TLS 1.3 the *server's* refusal arrives later, as an alert. */
const isTlsRefusal = (code: string): boolean =>
  code.startsWith('ERR_TLS_') ||
  code.startsWith('ERR_SSL_') ||
  code.startsWith('CERT_') ||
  code.startsWith('UNABLE_TO_') ||
  code.includes('SELF_SIGNED');

export function networkFailure(error: unknown): Failure {
  const code = codeOf(error);
  if (isTlsRefusal(code))
    return { kind: 'not-applied', reason: `the certificates do not fit (${code})`, error };
  if (beforeSending.has(code)) return { kind: 'not-applied', reason: `no connection (${code})`, error };
  const reason = error instanceof Error ? error.message : String(error);
  return { kind: 'unknown', reason: code === '' ? reason : `${reason} (${code})`, error };
}

/** Refusals by a member that has not taken the request in; the cluster may be well, so another may do it. */
const turnedAway = [
  'no leader',
  'too many requests',
  'not capable',
  'unhealthy cluster',
  'rpc not supported for learner',
  'server stopped',
];

/** gRPC codes with which etcd answers for good. */
const finalCodes = new Map<number, { code: string; family: ErrorFamily }>([
  [3, { code: 'etcd.invalid', family: 'invalid' }],
  [5, { code: 'etcd.not-found', family: 'missing' }],
  [6, { code: 'etcd.exists', family: 'conflict' }],
  [7, { code: 'etcd.denied', family: 'denied' }],
  [8, { code: 'etcd.no-space', family: 'unavailable' }],
  [9, { code: 'etcd.precondition', family: 'conflict' }],
  [11, { code: 'etcd.compacted', family: 'conflict' }],
  [12, { code: 'etcd.unsupported', family: 'bug' }],
  [16, { code: 'etcd.denied', family: 'denied' }],
]);

export function gatewayFailure(status: number, text: string): Failure {
  let parsed: { message: string; code: number | undefined } | undefined;
  try {
    const result = gatewayErrorSchema.safeParse(JSON.parse(text));
    if (result.success) parsed = { message: result.data.message, code: result.data.code };
  } catch {
    parsed = undefined;
  }
  const message = parsed?.message ?? '';
  const reason = message === '' ? `HTTP status ${status}` : message.replace(/^etcdserver: /, '');
  const error = new Error(`HTTP ${status}: ${text.slice(0, 500)}`);
  if (turnedAway.some((words) => message.includes(words))) return { kind: 'not-applied', reason, error };
  const final = parsed?.code === undefined ? undefined : finalCodes.get(parsed.code);
  if (final === undefined) return { kind: 'unknown', reason, error };
  return {
    kind: 'refused',
    reason,
    error: new AppError({
      ...final,
      message: `The cluster's store (etcd) refused: ${reason}.`,
      cause: error,
      ...(final.code === 'etcd.no-space'
        ? { remedy: 'Compact and defragment the store, then clear its alarm.' }
        : {}),
    }),
  };
}
