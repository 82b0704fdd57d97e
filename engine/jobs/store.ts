import { and, asc, desc, eq, getTableColumns, inArray, isNull, lt, sql } from 'drizzle-orm';
import type { JobId } from '../contract/common.ts';
import type { Db } from '../db/database.ts';
import { jobLocks, jobs } from '../db/schema.ts';
import { type JobRecord, type JobSight, jobRecordSchema, jobSightSchema } from './model.ts';

type Tx = Db;
const parse = (row: typeof jobs.$inferSelect): JobRecord => jobRecordSchema.parse(row);

export async function insertJob(tx: Tx, record: Omit<JobRecord, 'number'>): Promise<JobRecord> {
  const [row] = await tx.insert(jobs).values(record).returning();
  if (row === undefined) throw new Error('an inserted row was not returned');
  return parse(row);
}

/** Everything that changes while a job runs. */
export async function saveJob(tx: Tx, record: JobRecord): Promise<void> {
  await tx
    .update(jobs)
    .set({
      state: record.state,
      memory: record.memory,
      steps: record.steps,
      error: record.error,
      cancelRequested: record.cancelRequested,
      endedAt: record.endedAt,
    })
    .where(eq(jobs.id, record.id));
}

/** Takes all locks, in sorted order, or none; answers with who has the first one that is taken. */
export async function takeLocks(tx: Tx, id: JobId, locks: readonly string[]): Promise<string | undefined> {
  if (locks.length === 0) return undefined;
  const wanted = [...new Set(locks)].sort();
  const taken = await tx
    .insert(jobLocks)
    .values(wanted.map((subject) => ({ subject, jobId: id })))
    .onConflictDoNothing()
    .returning();
  if (taken.length === wanted.length) return undefined;
  await tx.delete(jobLocks).where(eq(jobLocks.jobId, id));
  const holders = await tx.select().from(jobLocks).where(inArray(jobLocks.subject, wanted)).limit(1);
  return holders[0]?.jobId ?? id;
}

export const releaseLocks = async (tx: Tx, id: JobId): Promise<void> => {
  await tx.delete(jobLocks).where(eq(jobLocks.jobId, id));
};

export const activeJobs = async (db: Db): Promise<JobRecord[]> =>
  (await db.select().from(jobs).where(isNull(jobs.endedAt)).orderBy(asc(jobs.number))).map(parse);

export async function findJob(db: Db, id: JobId): Promise<JobRecord | undefined> {
  const [row] = await db.select().from(jobs).where(eq(jobs.id, id));
  return row === undefined ? undefined : parse(row);
}

export async function listJobs(
  db: Db,
  page: { before: number | undefined; limit: number; activeOnly: boolean },
): Promise<{ items: JobSight[]; total: number }> {
  const which = page.activeOnly ? isNull(jobs.endedAt) : undefined;
  const { input: _input, memory: _memory, ...shown } = getTableColumns(jobs);
  const [rows, [count]] = await Promise.all([
    db
      .select(shown)
      .from(jobs)
      .where(and(which, page.before === undefined ? undefined : lt(jobs.number, page.before)))
      .orderBy(desc(jobs.number))
      .limit(page.limit),
    db.select({ total: sql<number>`count(*)::int` }).from(jobs).where(which),
  ]);
  return { items: rows.map((row) => jobSightSchema.parse(row)), total: count?.total ?? 0 };
}

/** The newest that ended well, to learn from how long steps take. */
export const recentDone = async (db: Db, limit: number): Promise<JobRecord[]> =>
  (await db.select().from(jobs).where(eq(jobs.state, 'done')).orderBy(desc(jobs.number)).limit(limit)).map(
    parse,
  );

export async function deleteJobsBefore(db: Db, time: Date): Promise<void> {
  await db.delete(jobs).where(lt(jobs.endedAt, time));
}
