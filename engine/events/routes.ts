import type { Some } from '../api/handler.ts';
import { type Db, databaseError } from '../db/database.ts';
import { cursorNumber } from '../jobs/routes.ts';
import type { Hub } from '../live/hub.ts';
import { liveStream } from '../live/stream.ts';
import type { Sessions } from '../users/sessions.ts';
import { listEvents } from './store.ts';

export type EventRoutesEnv = {
  db: Db;
  hub: Hub;
  sessions: Sessions;
  now(): Date;
  stopping: AbortSignal;
};

const keepAliveMs = 15_000;
const maxUnread = 2_000;

export const eventRoutes = (env: EventRoutesEnv): Some<'listEvents'> => ({
  async listEvents({ query, caller, request }) {
    if ((request.headers.get('accept') ?? '').includes('text/event-stream')) {
      const ends = [request.signal, env.stopping];
      const mayGoOn = () => env.sessions.stands(caller.session.tokenHash);
      const { hub, now } = env;
      return new Response(liveStream({ hub, now, keepAliveMs, maxUnread, mayGoOn }, ends), {
        headers: {
          'content-type': 'text/event-stream',
          'cache-control': 'no-store',
          'x-accel-buffering': 'no',
        },
      });
    }
    const before = cursorNumber(query.after);
    const { items, total } = await listEvents(env.db, {
      before,
      limit: query.limit,
      search: query.search,
    }).catch((thrown: unknown) => {
      throw databaseError(thrown, 'reading events');
    });
    const last = items.at(-1);
    const more = items.length === query.limit && last !== undefined;
    return { items, total, ...(more ? { next: String(last.id) } : {}) };
  },
});
