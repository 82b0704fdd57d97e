import { drizzle } from 'drizzle-orm/postgres-js';
import postgres from 'postgres';
import { AppError } from '../../node/contract/error.ts';
import type { EngineConfig } from '../contract/config.ts';
import { type Database, databaseError } from './database.ts';
import { tables } from './schema.ts';

const engineLock = 7_243_002;

async function withDeadline<T>(promise: Promise<T>, deadlineMs: number, what: string): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const deadline = new Promise<never>((_, reject) => {
    timer = setTimeout(
      () =>
        reject(
          new AppError({
            code: 'database.unavailable',
            family: 'unavailable',
            message: `The database did not answer within ${deadlineMs} ms while ${what}.`,
          }),
        ),
      deadlineMs,
    );
  });
  try {
    return await Promise.race([promise, deadline]);
  } finally {
    clearTimeout(timer);
  }
}

/** Connects lazily and again after each loss; a statement that hangs is ended by the server after 15 s. */
export function openPostgres(config: EngineConfig['database'], poolSize = 8): Database {
  const settings = {
    host: config.host,
    port: config.port,
    database: config.name,
    user: config.user,
    ...(config.password === undefined ? {} : { password: config.password }),
    connect_timeout: 5,
    idle_timeout: 0,
    max_lifetime: null,
    // It is on this machine and starts beside us: waiting longer after each failure would outlast its start.
    backoff: () => 0.15,
    onnotice: () => {},
    connection: { application_name: 'trefoil-engine', statement_timeout: 15_000 },
  } as const;
  const pool = postgres({ ...settings, max: poolSize });
  // Its own connection: the lock belongs to the session that took it, and a ping must not wait behind a busy pool.
  const guard = postgres({ ...settings, max: 1 });
  return {
    db: drizzle(pool, { schema: tables }),
    async ping(deadlineMs) {
      await withDeadline(guard`SELECT 1`.execute(), deadlineMs, 'being asked whether it is there');
    },
    async claim() {
      // The lock is the session's: who has it and asks again would only count it twice.
      const claimed = await guard`
        SELECT EXISTS (
          SELECT FROM pg_locks WHERE locktype = 'advisory' AND objid = ${engineLock} AND pid = pg_backend_pid()
        ) OR pg_try_advisory_lock(${engineLock}) AS mine`.catch((cause) => {
        throw databaseError(cause, 'claiming it for this engine');
      });
      if (claimed[0]?.['mine'] !== true)
        throw new AppError({
          code: 'database.other-engine',
          family: 'conflict',
          message: 'Another engine is using this database.',
          remedy: 'Stop the other engine first.',
          retry: 'later',
        });
    },
    async close() {
      await Promise.all([pool.end({ timeout: 2 }), guard.end({ timeout: 2 })]);
    },
  };
}
