import { and, desc, ilike, lt, sql } from 'drizzle-orm';
import { z } from 'zod';
import { type Event, eventSchema } from '../contract/events.ts';
import type { Db } from '../db/database.ts';
import { events } from '../db/schema.ts';

const subjectSchema = eventSchema.shape.subject;
export type EventSubject = NonNullable<Event['subject']>;
export type NewEvent = {
  severity: Event['severity'];
  code: string;
  message: string;
  subject?: EventSubject;
  user?: string;
  jobId?: string;
};

type Row = typeof events.$inferSelect;

export function eventOf(row: Row): Event {
  const subject = subjectSchema.parse(row.subject ?? undefined);
  return {
    id: row.id,
    at: row.at.toISOString(),
    severity: eventSchema.shape.severity.parse(row.severity),
    code: row.code,
    message: row.message,
    ...(subject === undefined ? {} : { subject }),
    ...(row.userName === null ? {} : { user: row.userName }),
    ...(row.jobId === null ? {} : { jobId: row.jobId }),
  };
}

/** Keeps a fact; inside the transaction that makes it true, where there is one. */
export async function insertEvent(db: Db, now: Date, event: NewEvent): Promise<Event> {
  const [row] = await db
    .insert(events)
    .values({
      at: now,
      severity: event.severity,
      code: event.code,
      message: event.message,
      subject: event.subject ?? null,
      userName: event.user ?? null,
      jobId: event.jobId ?? null,
    })
    .returning();
  if (row === undefined) throw new Error('an inserted row was not returned');
  return eventOf(row);
}

export const eventCursorSchema = z.coerce.number().int().positive();

/** Newest first; `before` is the last id of the page before. */
export async function listEvents(
  db: Db,
  page: { before: number | undefined; limit: number; search: string | undefined },
): Promise<{ items: Event[]; total: number }> {
  const matches =
    page.search === undefined
      ? undefined
      : ilike(events.message, `%${page.search.replaceAll(/[\\%_]/g, '\\$&')}%`);
  const older = page.before === undefined ? undefined : lt(events.id, page.before);
  const [rows, [count]] = await Promise.all([
    db.select().from(events).where(and(matches, older)).orderBy(desc(events.id)).limit(page.limit),
    db.select({ total: sql<number>`count(*)::int` }).from(events).where(matches),
  ]);
  return { items: rows.map(eventOf), total: count?.total ?? 0 };
}

export async function deleteEventsBefore(db: Db, time: Date): Promise<void> {
  await db.delete(events).where(lt(events.at, time));
}
