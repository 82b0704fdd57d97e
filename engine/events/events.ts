import type { Event } from '../contract/events.ts';
import { type Db, databaseError } from '../db/database.ts';
import type { Log } from '../log/log.ts';
import { insertEvent, type NewEvent } from './store.ts';

export type EventsEnv = { db: Db; log: Log; now(): Date; told(event: Event): void };

/** Keeps a fact and tells it; when the database is away the log has it. */
export async function recordEvent(env: EventsEnv, event: NewEvent): Promise<void> {
  env.log.info(`event: ${event.message}`, { code: event.code, severity: event.severity });
  try {
    env.told(await insertEvent(env.db, env.now(), event));
  } catch (thrown) {
    env.log.error('an event could not be kept', databaseError(thrown, 'keeping an event'), {
      code: event.code,
    });
  }
}
