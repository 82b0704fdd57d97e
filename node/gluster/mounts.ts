import { mkdir } from 'node:fs/promises';
import { z } from 'zod';
import { type Run, unreadable } from '../command/run.ts';
import { AppError } from '../contract/error.ts';
import type { Log } from '../log/log.ts';
import { type ClientLink, readClientLinks } from './parse.ts';

export type MountsEnv = {
  run: Run;
  log: Log;
  /** whether something is mounted exactly there */
  isMounted(path: string): Promise<boolean>;
};

export type MountState = 'mounted' | 'stale' | 'not-mounted';

/** A FUSE mount whose process died is still in the table, and answers "not connected" to everything. */
export async function mountState(env: MountsEnv, path: string): Promise<MountState> {
  if (!(await env.isMounted(path))) return 'not-mounted';
  // By a tool with a deadline: a call into a hung FUSE mount would block a thread of ours for good.
  const { exitCode } = await env.run(['stat', '--format=%i', path], { timeoutMs: 15_000, okExitCodes: [1] });
  return exitCode === 0 ? 'mounted' : 'stale';
}

/**
 * Mounts a volume at `path` unless it is. Any server can give the volume's description: all are named, or the mount
 * could not be made while the first one is down.
 */
export async function ensureMount(
  env: MountsEnv,
  volume: string,
  path: string,
  servers: readonly [string, ...string[]],
): Promise<void> {
  const state = await mountState(env, path);
  if (state === 'mounted') return;
  if (state === 'stale') {
    env.log.warn('a mount lost its process; mounting anew', { volume, path });
    await env.run(['umount', '--lazy', path], { timeoutMs: 20_000 });
  }
  await mkdir(path, { recursive: true, mode: 0o711 });
  const [first, ...others] = servers;
  const backup = others.length === 0 ? [] : [`backup-volfile-servers=${others.join(':')}`];
  try {
    await env.run(
      [
        'mount',
        '-t',
        'glusterfs',
        '-o',
        [...backup, 'log-level=WARNING'].join(','),
        `${first}:/${volume}`,
        path,
      ],
      { timeoutMs: 60_000 },
    );
  } catch (error) {
    throw new AppError({
      code: 'volume.cannot-mount',
      family: 'unavailable',
      message: `The volume ${volume} could not be mounted on this host.`,
      remedy: 'Check that the storage network connects the hosts and that the volume is started.',
      details: { volume, servers },
      cause: error,
    });
  }
  env.log.info('volume mounted', { volume, path });
}

export async function removeMount(env: MountsEnv, path: string): Promise<void> {
  if (!(await env.isMounted(path))) return;
  await env.run(['umount', path], { timeoutMs: 30_000 }).catch(async (error: unknown) => {
    // Asked for twice at once, the second one finds it gone.
    if (await env.isMounted(path)) throw error;
  });
}

export type ClientLinks = (volume: string, path: string, bricks: number) => Promise<ClientLink[]>;

/**
 * Which bricks a mount is connected to, as its own process says. The names of its clients are looked up again when
 * their number is not that of the volume's bricks.
 */
export function makeClientLinks(env: Pick<MountsEnv, 'run'>): ClientLinks {
  const timeoutMs = 10_000;
  const known = new Map<string, string[]>();
  const find = async (volume: string, active: string): Promise<string[]> => {
    const { stdout } = await env.run(['find', active, '-maxdepth', '1', '-name', `${volume}-client-*`], {
      timeoutMs,
    });
    return stdout.split('\n').filter((line) => line !== '');
  };
  return async (volume, path, bricks) => {
    // with the slash: it is a link, which find would not follow
    const active = `${path}/.meta/graphs/active/`;
    let clients = known.get(path);
    if (clients?.length !== bricks) clients = await find(volume, active);
    known.set(path, clients);
    if (clients.length === 0) throw unreadable('find', 'a mount without clients');
    const files = clients.flatMap((client) => [
      `${client}/private`,
      `${client}/options/remote-host`,
      `${client}/options/remote-subvolume`,
    ]);
    // exit code 2: one of them was gone (the graph was just rebuilt); what is there counts
    const { stdout, exitCode } = await env.run(['grep', '-H', '', ...files], {
      timeoutMs,
      okExitCodes: [1, 2],
    });
    if (exitCode !== 0) known.delete(path);
    return readClientLinks(stdout);
  };
}

const sizeSchema = z.tuple([z.coerce.number(), z.coerce.number(), z.coerce.number()]);

export type MountLook = { state: MountState; size: { sizeMiB: number; freeMiB: number } | undefined };

/** Whether a volume is mounted there and answers; then its size and free space. */
export async function lookAtMount(env: MountsEnv, path: string): Promise<MountLook> {
  if (!(await env.isMounted(path))) return { state: 'not-mounted', size: undefined };
  const { stdout, exitCode } = await env.run(['stat', '--file-system', '--format=%S %b %a', path], {
    timeoutMs: 15_000,
    okExitCodes: [1],
  });
  if (exitCode !== 0) return { state: 'stale', size: undefined };
  const parsed = sizeSchema.safeParse(stdout.trim().split(' '));
  if (!parsed.success) throw unreadable('stat', 'the size of a volume', parsed.error);
  const [block, blocks, free] = parsed.data;
  const mib = (count: number) => Math.floor((count * block) / 1_048_576);
  return { state: 'mounted', size: { sizeMiB: mib(blocks), freeMiB: mib(free) } };
}
