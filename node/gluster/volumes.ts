import type { Clock } from '../clock/clock.ts';
import { AppError } from '../contract/error.ts';
import type { GlusterVolumePut } from '../contract/storage.ts';
import type { Log } from '../log/log.ts';
import { type Cli, errnoOf, refusalOf } from './cli.ts';
import { missingOptions, wantedOptions } from './options.ts';
import { type Peer, readPeers, readVolumes, type VolumeInfo } from './parse.ts';

export type VolumesEnv = { cli: Cli; clock: Clock; log: Log };

const volumeMissing = 30_806;

/** All volumes of the pool. */
export async function listVolumes(env: Pick<VolumesEnv, 'cli'>): Promise<VolumeInfo[]> {
  return readVolumes(await env.cli.command(['volume', 'info']));
}

export async function findVolume(
  env: Pick<VolumesEnv, 'cli'>,
  name: string,
): Promise<VolumeInfo | undefined> {
  try {
    return readVolumes(await env.cli.command(['volume', 'info', name]))[0];
  } catch (error) {
    if (errnoOf(error) === volumeMissing) return undefined;
    throw error;
  }
}

export async function requireVolume(env: Pick<VolumesEnv, 'cli'>, name: string): Promise<VolumeInfo> {
  const found = await findVolume(env, name);
  if (found === undefined)
    throw new AppError({
      code: 'volume.missing',
      family: 'missing',
      message: `There is no volume ${name}.`,
    });
  return found;
}

export async function listPeers(env: Pick<VolumesEnv, 'cli'>): Promise<Peer[]> {
  return readPeers(await env.cli.command(['peer', 'status']));
}

/** Makes the given storage addresses peers of this host and waits until all of them are. Never detaches one. */
export async function ensurePeers(
  env: VolumesEnv,
  addresses: readonly string[],
  own: ReadonlySet<string>,
): Promise<Peer[]> {
  const wanted = addresses.filter((address) => !own.has(address));
  const known = new Set((await listPeers(env)).map(({ address }) => address));
  for (const address of wanted) {
    if (known.has(address)) continue;
    await env.cli.command(['peer', 'probe', address]);
    env.log.info('gluster peer probed', { address });
  }
  const end = env.clock.now() + 60_000;
  for (;;) {
    const peers = await listPeers(env);
    const good = new Set(
      peers.filter((peer) => peer.connected && peer.state === 'Peer in Cluster').map((peer) => peer.address),
    );
    const missing = wanted.filter((address) => !good.has(address));
    if (missing.length === 0) return peers;
    if (env.clock.now() > end)
      throw new AppError({
        code: 'gluster.peer-lost',
        family: 'unavailable',
        message: `The storage services of ${missing.join(', ')} do not answer as peers.`,
        remedy: 'Check that these hosts are on and that the storage network connects them.',
        details: { missing },
      });
    await env.clock.sleep(500);
  }
}

const brickName = ({ address, path }: { address: string; path: string }) => `${address}:${path}`;

/**
 * Makes a volume what is asked for: created, options set, started; the same again changes nothing. A volume of that name
 * with other bricks is a conflict. `forceRoot`: its bricks are directories on the system disk, which Gluster refuses
 * unless forced; never given for bricks on disks, so that a disk that is not mounted is noticed here.
 */
export async function ensureVolume(
  env: VolumesEnv,
  name: string,
  spec: GlusterVolumePut,
  how: { forceRoot: boolean },
): Promise<void> {
  let there = await findVolume(env, name);
  if (there === undefined) {
    await createVolume(env, name, spec, how);
    there = await findVolume(env, name);
  }
  if (there === undefined || there.bricks.map(brickName).join() !== spec.bricks.map(brickName).join())
    throw new AppError({
      code: 'volume.different',
      family: 'conflict',
      message: `There is already a volume ${name}, with other bricks.`,
      details: { wanted: spec.bricks.map(brickName), present: there?.bricks.map(brickName) ?? [] },
    });
  const missing = missingOptions(wantedOptions(spec), there.options);
  if (missing.length > 0) {
    await env.cli.command(['volume', 'set', name, ...missing.flat()]);
    env.log.info('volume options set', { name, options: missing.map(([option]) => option) });
  }
  if (!there.started) {
    await startVolume(env, name);
  }
}

async function startVolume(env: VolumesEnv, name: string): Promise<void> {
  try {
    await env.cli.command(['volume', 'start', name]);
    env.log.info('volume created -> started', { name });
  } catch (error) {
    // One who was asked before, and whose asker is gone, may still have been at work.
    if (!/already started/.test(refusalOf(error) ?? '')) throw error;
  }
}

async function createVolume(
  env: VolumesEnv,
  name: string,
  spec: GlusterVolumePut,
  how: { forceRoot: boolean },
) {
  const layout = {
    single: [],
    'replica-3': ['replica', '3'],
    'replica-2-arbiter': ['replica', '3', 'arbiter', '1'],
  }[spec.layout.kind];
  const setSize = spec.layout.kind === 'single' ? 1 : 3;
  if (spec.bricks.length % setSize !== 0)
    throw new AppError({
      code: 'volume.bad-layout',
      family: 'invalid',
      message: `A volume of this kind needs its bricks in sets of ${setSize}; there are ${spec.bricks.length}.`,
    });
  const force = how.forceRoot ? ['force'] : [];
  try {
    await env.cli.command(['volume', 'create', name, ...layout, ...spec.bricks.map(brickName), ...force]);
    env.log.info('volume created', { name, bricks: spec.bricks.map(brickName) });
  } catch (error) {
    const refusal = refusalOf(error) ?? '';
    // Two hosts may be told at once; who comes second finds it made.
    if (/already exists/.test(refusal)) return;
    if (/already part of a volume/.test(refusal))
      throw new AppError({
        code: 'volume.brick-used',
        family: 'conflict',
        message: `A brick for the volume ${name} already belongs to a volume.`,
        remedy: 'Choose another disk, or remove what is left of the old volume first.',
        cause: error,
      });
    throw error;
  }
}

/**
 * Stops and deletes; what the bricks hold stays on the disks. A volume that is not there is fine: one that was asked for
 * the same before, and whose asker is gone, may still be at work. What it overtakes is looked at again.
 */
export async function deleteVolume(env: VolumesEnv, name: string): Promise<void> {
  for (let tries = 3; ; tries -= 1) {
    const there = await findVolume(env, name);
    if (there === undefined) return;
    try {
      if (there.started) await env.cli.command(['volume', 'stop', name, 'force']);
      await env.cli.command(['volume', 'delete', name]);
      return;
    } catch (error) {
      if (refusalOf(error) === undefined || tries === 1) throw error;
    }
  }
}

/** The first repair of README: rebuilds the clients' graphs, so that each mount connects anew. No VM notices. */
export async function rebuildGraphs(env: VolumesEnv, volume: VolumeInfo): Promise<void> {
  const now = volume.options['performance.stat-prefetch'] ?? 'on';
  const other = now === 'off' ? 'on' : 'off';
  await env.cli.command(['volume', 'set', volume.name, 'performance.stat-prefetch', other]);
}

/** The second repair: starts what is not running of a started volume, the self-heal daemon too. */
export async function startForce(env: VolumesEnv, name: string): Promise<void> {
  await env.cli.command(['volume', 'start', name, 'force']);
}
