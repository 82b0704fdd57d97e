import { and, eq, lt, ne, sql } from 'drizzle-orm';
import { z } from 'zod';
import { type UserId, userIdSchema } from '../contract/common.ts';
import type { Db } from '../db/database.ts';
import { sessions, users } from '../db/schema.ts';

const userSchema = z.object({
  id: userIdSchema,
  name: z.string(),
  passwordHash: z.string(),
  createdAt: z.date(),
});
export type UserRecord = z.infer<typeof userSchema>;

export async function findUserByName(db: Db, name: string): Promise<UserRecord | undefined> {
  const [row] = await db.select().from(users).where(sql`lower(${users.name}) = lower(${name})`);
  return row === undefined ? undefined : userSchema.parse(row);
}

export async function findUser(db: Db, id: UserId): Promise<UserRecord | undefined> {
  const [row] = await db.select().from(users).where(eq(users.id, id));
  return row === undefined ? undefined : userSchema.parse(row);
}

export async function ensureUser(db: Db, user: UserRecord): Promise<void> {
  await db.insert(users).values(user).onConflictDoNothing();
}

export async function setPasswordHash(db: Db, id: UserId, passwordHash: string): Promise<void> {
  await db.update(users).set({ passwordHash }).where(eq(users.id, id));
}

export type SessionRecord = {
  tokenHash: string;
  userId: UserId;
  userName: string;
  cookie: boolean;
  createdAt: Date;
  usedAt: Date;
  expiresAt: Date;
};

export async function insertSession(db: Db, session: SessionRecord): Promise<void> {
  const { userName: _, ...row } = session;
  await db.insert(sessions).values(row);
}

export async function findSession(db: Db, tokenHash: string): Promise<SessionRecord | undefined> {
  const [row] = await db
    .select({ session: sessions, userName: users.name })
    .from(sessions)
    .innerJoin(users, eq(users.id, sessions.userId))
    .where(eq(sessions.tokenHash, tokenHash));
  if (row === undefined) return undefined;
  return { ...row.session, userId: userIdSchema.parse(row.session.userId), userName: row.userName };
}

export async function touchSession(db: Db, session: SessionRecord): Promise<void> {
  await db
    .update(sessions)
    .set({ usedAt: session.usedAt, expiresAt: session.expiresAt })
    .where(eq(sessions.tokenHash, session.tokenHash));
}

export async function deleteSession(db: Db, tokenHash: string): Promise<void> {
  await db.delete(sessions).where(eq(sessions.tokenHash, tokenHash));
}

export async function deleteOtherSessions(db: Db, userId: UserId, except: string): Promise<void> {
  await db.delete(sessions).where(and(eq(sessions.userId, userId), ne(sessions.tokenHash, except)));
}

export async function deleteExpiredSessions(db: Db, now: Date): Promise<void> {
  await db.delete(sessions).where(lt(sessions.expiresAt, now));
}
