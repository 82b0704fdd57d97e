import type { IncomingMessage } from 'node:http';
import { TLSSocket } from 'node:tls';
import { subjectOf } from '../identity/certificate.ts';
import type { Caller } from './handlers.ts';

/**
 * Who is at the other end of a TLS connection. `authorized` is OpenSSL's verdict against the authority that the server
 * had when the connection was made; the server ends connections that are older than the host's membership (server.ts).
 */
export function tlsCallerOf({ socket }: IncomingMessage): Caller {
  if (!(socket instanceof TLSSocket)) return { kind: 'stranger', why: 'no TLS' };
  const certificate = socket.getPeerX509Certificate();
  if (certificate === undefined) return { kind: 'stranger', why: 'no certificate' };
  if (!socket.authorized)
    return { kind: 'stranger', why: String(socket.authorizationError ?? 'not trusted') };
  const subject = subjectOf(certificate);
  if (subject === undefined) return { kind: 'stranger', why: 'a certificate without id or role' };
  return { kind: 'peer', ...subject };
}

export const callerText = (caller: Caller): string =>
  caller.kind === 'peer' ? `${caller.role} ${caller.id}` : caller.kind;
