import { createServer } from 'node:net';
import { join } from 'node:path';
import { run } from '../../node/command/run.ts';
import { eventually } from '../support/eventually.ts';
import { makeCgroup } from './cgroup.ts';
import type { LabPlan } from './plan.ts';
import { killRecorded, startRecorded } from './process.ts';

/** A port of the outer machine's loopback that is free now; `wanted` when it is. */
export async function freePort(wanted?: number): Promise<number> {
  const attempt = (port: number) =>
    new Promise<number | undefined>((resolve) => {
      const server = createServer();
      server.once('error', () => resolve(undefined));
      server.listen({ host: '127.0.0.1', port }, () => {
        const address = server.address();
        const found = typeof address === 'object' && address !== null ? address.port : undefined;
        server.close(() => resolve(found));
      });
    });
  const port = (wanted === undefined ? undefined : await attempt(wanted)) ?? (await attempt(0));
  if (port === undefined) throw new Error('no port is free on loopback');
  return port;
}

/**
 * 127.0.0.1:<local> of the outer machine leads to address:port of the lab. Two relays meet at a unix socket, since one
 * process cannot stand in two network namespaces; nothing of the lab gets an address outside.
 */
export async function forward(plan: LabPlan, address: string, port: number, local: number): Promise<void> {
  const cgroups = await makeCgroup(`${plan.prefix}/services`);
  const name = `forward-${local}`;
  const options = { cgroups, output: join(plan.folder, 'forward.log'), cwd: plan.runFolder };
  // relative socket path: the absolute one may be longer than a socket's name can be
  const socket = `${local}.sock`;
  await startRecorded(
    plan.runFolder,
    `${name}-inner`,
    [
      'ip',
      'netns',
      'exec',
      plan.netns,
      'socat',
      `UNIX-LISTEN:${socket},fork,unlink-early`,
      `TCP:${address}:${port},connect-timeout=10`,
    ],
    options,
  );
  await startRecorded(
    plan.runFolder,
    `${name}-outer`,
    ['socat', `TCP-LISTEN:${local},bind=127.0.0.1,reuseaddr,fork`, `UNIX-CONNECT:${socket}`],
    options,
  );
  await eventually(`the relay on port ${local}`, async () => {
    const { stdout } = await run(['ss', '-Hltn', `sport = :${local}`]);
    return stdout.includes(`127.0.0.1:${local}`);
  });
}

export async function endForward(plan: LabPlan, local: number): Promise<void> {
  for (const side of ['outer', 'inner']) await killRecorded(plan.runFolder, `forward-${local}-${side}`);
}
