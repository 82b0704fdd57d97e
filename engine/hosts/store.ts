import { eq } from 'drizzle-orm';
import { z } from 'zod';
import { type HostId, hostIdSchema } from '../../node/contract/ids.ts';
import type { Db } from '../db/database.ts';
import { hosts } from '../db/schema.ts';
import type { HostRecord } from './port.ts';

const recordSchema = z.object({
  id: hostIdSchema,
  name: z.string(),
  address: z.string(),
  storageAddress: z.string(),
  membership: z.enum(['joining', 'member']),
  createdAt: z.date(),
});

export const listHosts = async (db: Db): Promise<HostRecord[]> =>
  (await db.select().from(hosts).orderBy(hosts.name)).map((row) => recordSchema.parse(row));

/** Makes sure that it is recorded so; an id that is there takes the new values. */
export async function ensureHost(db: Db, record: HostRecord): Promise<void> {
  const { id: _id, createdAt: _createdAt, ...changing } = record;
  await db.insert(hosts).values(record).onConflictDoUpdate({ target: hosts.id, set: changing });
}

export async function deleteHost(db: Db, id: HostId): Promise<void> {
  await db.delete(hosts).where(eq(hosts.id, id));
}
