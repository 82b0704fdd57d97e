import { AppError } from '../contract/error.ts';
import { errnoOf, refusalOf } from './cli.ts';
import { listPeers, requireVolume, type VolumesEnv } from './volumes.ts';

/**
 * Changes of which bricks a volume has, and which hosts the pool has. Each is "ensure": what is so already is left as it
 * is, so that a job that was interrupted can do it again.
 */
export type BrickPlace = { address: string; path: string };

/** `forceRoot` as for `ensureVolume`: the bricks are directories on the system disk. */
type How = { forceRoot: boolean };

const brickName = ({ address, path }: BrickPlace) => `${address}:${path}`;
const forced = ({ forceRoot }: How) => (forceRoot ? ['force'] : []);

/**
 * Adds bricks. Without `layout` they are new replica sets, which must be whole; with it, each set that is there gets
 * more copies. Files that exist are never moved to new sets: with live VMs a rebalance damages sharded files.
 */
export async function addBricks(
  env: VolumesEnv,
  name: string,
  bricks: readonly BrickPlace[],
  how: How & { layout?: 'replica-3' | 'replica-2-arbiter' },
): Promise<void> {
  const present = new Set((await requireVolume(env, name)).bricks.map(brickName));
  const wanted = bricks.map(brickName).filter((brick) => !present.has(brick));
  if (wanted.length === 0) return;
  const layout = {
    none: [],
    'replica-3': ['replica', '3'],
    'replica-2-arbiter': ['replica', '3', 'arbiter', '1'],
  }[how.layout ?? 'none'];
  await env.cli.command(['volume', 'add-brick', name, ...layout, ...wanted, ...forced(how)]);
  env.log.info('bricks added', { name, bricks: wanted });
}

/** Puts an empty brick in the place of one that is lost or is to go; its set's other bricks fill it. */
export async function replaceBrick(
  env: VolumesEnv,
  name: string,
  from: BrickPlace,
  to: BrickPlace,
): Promise<void> {
  const present = new Set((await requireVolume(env, name)).bricks.map(brickName));
  if (present.has(brickName(to)) && !present.has(brickName(from))) return;
  if (!present.has(brickName(from))) throw noSuchBrick(name, from);
  // Gluster has no other form of it than with `force`
  await env.cli.command(['volume', 'replace-brick', name, brickName(from), brickName(to), 'commit', 'force']);
  env.log.info('brick replaced', { name, from: brickName(from), to: brickName(to) });
}

/** `begin` lets go of a brick whose disk is to be changed, `finish` takes the empty one at the same place. */
export async function resetBrick(
  env: VolumesEnv,
  name: string,
  brick: BrickPlace,
  step: 'begin' | 'finish',
): Promise<void> {
  const { bricks } = await requireVolume(env, name);
  if (!bricks.some((one) => brickName(one) === brickName(brick))) throw noSuchBrick(name, brick);
  const same = brickName(brick);
  const words = step === 'begin' ? [same, 'start'] : [same, same, 'commit', 'force'];
  await env.cli.command(['volume', 'reset-brick', name, ...words]);
  env.log.info(`brick reset: ${step}`, { name, brick: same });
}

/** Asks the self-heal daemons to look now: `full` at every file, else at those that are known to wait. */
export async function startHeal(env: VolumesEnv, name: string, what: 'known' | 'full'): Promise<void> {
  await env.cli.order(['volume', 'heal', name, ...(what === 'full' ? ['full'] : [])]);
}

/** Takes a host out of the pool. Refused while it holds bricks; one that is gone for good may be `lost`. */
export async function detachPeer(
  env: VolumesEnv,
  address: string,
  how: { lost: boolean } = { lost: false },
): Promise<void> {
  if (!(await listPeers(env)).some((peer) => peer.address === address)) return;
  try {
    await env.cli.command(['peer', 'detach', address, ...(how.lost ? ['force'] : [])]);
    env.log.info('gluster peer detached', { address });
  } catch (error) {
    const refusal = refusalOf(error) ?? '';
    // Somebody was faster.
    if (/is not part of cluster/.test(refusal)) return;
    if (/hosts one or more bricks/i.test(refusal))
      throw new AppError({
        code: 'gluster.peer-has-bricks',
        family: 'conflict',
        message: `The host ${address} still holds copies of volumes.`,
        remedy: 'Replace its bricks first.',
        details: { errno: errnoOf(error) ?? null },
        cause: error,
      });
    throw error;
  }
}

const noSuchBrick = (name: string, brick: BrickPlace): AppError =>
  new AppError({
    code: 'volume.no-such-brick',
    family: 'missing',
    message: `The volume ${name} has no brick ${brickName(brick)}.`,
  });
