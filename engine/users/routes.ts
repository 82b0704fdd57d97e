import { noCookie, refuseForeignOrigin, sessionCookie } from '../api/caller.ts';
import type { Some } from '../api/handler.ts';
import { type Sessions, sessionView } from './sessions.ts';

const json = (status: number, body: unknown, cookie?: string): Response =>
  new Response(body === undefined ? null : JSON.stringify(body), {
    status,
    headers: {
      'cache-control': 'no-store',
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      ...(cookie === undefined ? {} : { 'set-cookie': cookie }),
    },
  });

const weekSeconds = 7 * 24 * 60 * 60;

export const sessionRoutes = (
  sessions: Sessions,
): Some<'createSession' | 'getSession' | 'deleteSession' | 'changePassword'> => ({
  async createSession({ body, address, request }) {
    refuseForeignOrigin(request.headers);
    const { token, session } = await sessions.login(body, address);
    const view = sessionView(session, token, !body.cookie);
    return body.cookie ? json(201, view, sessionCookie(token, weekSeconds)) : json(201, view);
  },
  async getSession({ caller }) {
    return sessionView(caller.session, caller.token, false);
  },
  async deleteSession({ caller }) {
    await sessions.logout(caller.session);
    return json(204, undefined, noCookie);
  },
  async changePassword({ caller, body, address }) {
    await sessions.changePassword(caller.session, body, address);
    return undefined;
  },
});
