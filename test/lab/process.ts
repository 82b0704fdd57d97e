import { spawn } from 'node:child_process';
import { closeSync, existsSync, openSync } from 'node:fs';
import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';

/** A process that outlives the command which started it. The start time tells it from a later one with the same number. */
const recordSchema = z.object({ pid: z.number().int().positive(), startTime: z.string(), what: z.string() });
export type ProcessRecord = z.infer<typeof recordSchema>;

/** Field 22 of /proc/PID/stat; the name before it may hold spaces and brackets. */
export function startTimeOf(stat: string): string | undefined {
  return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19];
}

async function readStartTime(pid: number): Promise<string | undefined> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => undefined);
  if (stat === undefined) return undefined;
  const state = stat.slice(stat.lastIndexOf(')') + 2, stat.lastIndexOf(')') + 3);
  return state === 'Z' ? undefined : startTimeOf(stat);
}

export const isAlive = async (record: ProcessRecord): Promise<boolean> =>
  (await readStartTime(record.pid)) === record.startTime;

/** Starts a process in the given control groups, detached, its output appended to a file, and records it. */
export async function startRecorded(
  runFolder: string,
  name: string,
  argv: readonly [string, ...string[]],
  options: { cgroups: readonly string[]; output: string; cwd?: string; env?: Record<string, string> },
): Promise<ProcessRecord> {
  await mkdir(runFolder, { recursive: true });
  const output = openSync(options.output, 'a');
  try {
    // The shell enters the groups first: what it becomes, and all its children, are born inside.
    const script =
      'n=$1; shift; while [ "$n" -gt 0 ]; do echo $$ > "$1/cgroup.procs"; shift; n=$((n-1)); done; exec "$@"';
    const child = spawn(
      'sh',
      ['-c', script, 'sh', `${options.cgroups.length}`, ...options.cgroups, ...argv],
      {
        detached: true,
        stdio: ['ignore', output, output],
        cwd: options.cwd,
        env: {
          PATH: process.env['PATH'] ?? '/usr/sbin:/usr/bin:/sbin:/bin',
          LC_ALL: 'C.UTF-8',
          ...options.env,
        },
      },
    );
    await new Promise<void>((done, fail) => {
      child.once('spawn', done);
      child.once('error', fail);
    });
    child.unref();
    const pid = child.pid;
    const startTime = pid === undefined ? undefined : await readStartTime(pid);
    if (pid === undefined || startTime === undefined)
      throw new Error(`${argv[0]} ended at once; see ${options.output}`);
    const record = { pid, startTime, what: argv.join(' ').slice(0, 200) };
    await writeFile(join(runFolder, `${name}.json`), JSON.stringify(record));
    return record;
  } finally {
    closeSync(output);
  }
}

export async function readRecord(runFolder: string, name: string): Promise<ProcessRecord | undefined> {
  const text = await readFile(join(runFolder, `${name}.json`), 'utf8').catch(() => undefined);
  if (text === undefined) return undefined;
  const parsed = recordSchema.safeParse(JSON.parse(text));
  return parsed.success ? parsed.data : undefined;
}

export async function killRecorded(runFolder: string, name: string): Promise<void> {
  const record = await readRecord(runFolder, name);
  if (record !== undefined && (await isAlive(record))) {
    try {
      process.kill(record.pid, 'SIGKILL');
    } catch {
      // ended by itself meanwhile
    }
  }
  await rm(join(runFolder, `${name}.json`), { force: true });
}

export async function recordedNames(runFolder: string): Promise<string[]> {
  if (!existsSync(runFolder)) return [];
  return (await readdir(runFolder)).filter((name) => name.endsWith('.json')).map((name) => name.slice(0, -5));
}
