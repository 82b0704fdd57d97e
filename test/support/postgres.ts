import { type ChildProcess, spawn } from 'node:child_process';
import { chownSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { execa } from 'execa';
import postgres from 'postgres';
import type { Database } from '../../engine/db/database.ts';
import { migrate } from '../../engine/db/migrate.ts';
import { openPostgres } from '../../engine/db/postgres.ts';
import { silentLog } from '../../engine/log/log.ts';
import { eventually } from './eventually.ts';

export type PostgresServer = {
  directory: string;
  /** a new database with the engine's schema, cloned from a template */
  database(): Promise<{ name: string; open(): Database }>;
  /** as a power cut: all its processes die at once */
  kill(): Promise<void>;
  start(): Promise<void>;
  stop(): Promise<void>;
};

const binaries = (): string => {
  const versions = readdirSync('/usr/lib/postgresql').map(Number).filter(Number.isFinite);
  return `/usr/lib/postgresql/${Math.max(...versions)}/bin`;
};

async function userIds(name: string): Promise<{ uid: number; gid: number }> {
  const [uid, gid] = await Promise.all([execa('id', ['-u', name]), execa('id', ['-g', name])]);
  return { uid: Number(uid.stdout), gid: Number(gid.stdout) };
}

const configOf = (directory: string, name: string) => ({
  host: directory,
  port: 5432,
  name,
  user: 'postgres',
});

/** A PostgreSQL server of its own, from Debian's package, on a unix socket in a temporary directory. Needs root. */
export async function startPostgres(): Promise<PostgresServer> {
  const directory = mkdtempSync(join(tmpdir(), 'trefoil-pg-'));
  const ids = await userIds('postgres');
  chownSync(directory, ids.uid, ids.gid);
  const data = join(directory, 'data');
  const bin = binaries();
  await execa(
    `${bin}/initdb`,
    ['-D', data, '-A', 'trust', '--no-sync', '-E', 'UTF8', '--locale=C.UTF-8', '-U', 'postgres'],
    {
      ...ids,
      timeout: 60_000,
      cwd: directory,
    },
  );
  let server: ChildProcess | undefined;

  const connect = (name: string) => postgres({ ...configOf(directory, name), database: name, max: 1 });
  const start = async () => {
    server = spawn(
      `${bin}/postgres`,
      ['-D', data, '-k', directory, '-c', 'listen_addresses=', '-c', 'shared_buffers=32MB'],
      { ...ids, cwd: directory, stdio: 'ignore', detached: true },
    );
    await eventually(
      'PostgreSQL to answer',
      async () => {
        const sql = connect('postgres');
        try {
          await sql`SELECT 1`;
          return true;
        } finally {
          await sql.end({ timeout: 1 });
        }
      },
      { deadlineMs: 30_000, everyMs: 100 },
    );
  };
  const end = async (signal: NodeJS.Signals) => {
    const child = server;
    if (child?.pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const gone = new Promise<void>((resolve) => child.once('exit', () => resolve()));
    process.kill(signal === 'SIGKILL' ? -child.pid : child.pid, signal);
    await gone;
    server = undefined;
  };

  await start();
  const admin = connect('postgres');
  await admin`CREATE DATABASE trefoil_template`;
  await admin.end();
  const template = openPostgres(configOf(directory, 'trefoil_template'), 1);
  await migrate(template.db, silentLog);
  await template.close();

  let count = 0;
  return {
    directory,
    async database() {
      count += 1;
      const name = `trefoil_${count}`;
      const sql = connect('postgres');
      await sql`CREATE DATABASE ${sql(name)} TEMPLATE trefoil_template`;
      await sql.end();
      return { name, open: () => openPostgres(configOf(directory, name), 4) };
    },
    kill: () => end('SIGKILL'),
    start,
    async stop() {
      await end('SIGINT');
      rmSync(directory, { recursive: true, force: true });
    },
  };
}
