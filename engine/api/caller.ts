import { AppError } from '../../node/contract/error.ts';
import { csrfHeader } from '../contract/routes.ts';
import { csrfMatches, loginRequired, type Sessions } from '../users/sessions.ts';
import type { Caller } from './handler.ts';

/** `__Host-`: only over HTTPS, only for this host, for all its paths; scripts never see it. */
export const cookieName = '__Host-trefoil-session';

export const sessionCookie = (token: string, maxAgeSeconds: number): string =>
  `${cookieName}=${token}; Path=/; Max-Age=${maxAgeSeconds}; HttpOnly; Secure; SameSite=Strict`;
export const noCookie = sessionCookie('', 0);

function cookieToken(header: string | null): string | undefined {
  for (const part of header?.split(';') ?? []) {
    const [name, value] = part.trim().split('=', 2);
    if (name === cookieName && value !== undefined && value !== '') return value;
  }
  return undefined;
}

const bearerToken = (header: string | null): string | undefined =>
  /^Bearer ([\w-]{20,200})$/i.exec(header ?? '')?.[1];

const foreign = (): AppError =>
  new AppError({
    code: 'request.foreign-origin',
    family: 'denied',
    message: 'This request came from a page of another site.',
  });

/** A browser says which page asks; ours is the one at the address that was asked. */
export function refuseForeignOrigin(headers: Headers): void {
  const origin = headers.get('origin');
  if (origin === null) return;
  const host = headers.get('host');
  if (!URL.canParse(origin) || new URL(origin).host !== host) throw foreign();
}

/**
 * Who asks. A bearer token is enough by itself: no foreign page can send it. With the cookie, which the browser sends by
 * itself, each change must come from our own page and carry the session's CSRF token.
 */
export async function callerOf(sessions: Sessions, request: Request): Promise<Caller> {
  const { headers } = request;
  const bearer = bearerToken(headers.get('authorization'));
  if (bearer !== undefined) {
    const session = await sessions.find(bearer);
    if (session === undefined) throw loginRequired();
    return { session, token: bearer, name: session.userName };
  }
  const token = cookieToken(headers.get('cookie'));
  const session = token === undefined ? undefined : await sessions.find(token);
  if (token === undefined || session === undefined || !session.cookie) throw loginRequired();
  refuseForeignOrigin(headers);
  if (request.method !== 'GET' && request.method !== 'HEAD') {
    if (!csrfMatches(token, headers.get(csrfHeader) ?? undefined))
      throw new AppError({
        code: 'session.wrong-csrf-token',
        family: 'denied',
        message: 'The request does not carry the CSRF token of its session.',
        remedy: 'Reload the page.',
      });
  }
  return { session, token, name: session.userName };
}
