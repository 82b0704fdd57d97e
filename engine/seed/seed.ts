import { randomUUID } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { AppError } from '../../node/contract/error.ts';
import { ensureNetwork, ensureVolume, loadCluster, saveCluster } from '../cluster/store.ts';
import { userIdSchema } from '../contract/common.ts';
import { type EngineSeed, engineSeedSchema } from '../contract/seed.ts';
import type { Db } from '../db/database.ts';
import { ensureHost } from '../hosts/store.ts';
import type { Log } from '../log/log.ts';
import { ensureUser } from '../users/store.ts';

/** The seed as JSON, or the raw disk with zero bytes after it; undefined when there is none. */
export async function readSeed(path: string): Promise<EngineSeed | undefined> {
  let text: string;
  try {
    text = (await readFile(path, 'utf8')).replace(/\0+$/, '').trim();
  } catch (cause) {
    if (cause instanceof Error && 'code' in cause && cause.code === 'ENOENT') return undefined;
    throw new AppError({
      code: 'seed.unreadable',
      family: 'unavailable',
      message: `The engine’s seed at ${path} cannot be read.`,
      cause,
    });
  }
  if (text === '') return undefined;
  try {
    return engineSeedSchema.parse(JSON.parse(text));
  } catch (cause) {
    throw new AppError({
      code: 'seed.unreadable',
      family: 'invalid',
      message: `The engine’s seed at ${path} is not what it should be.`,
      cause,
    });
  }
}

/**
 * Takes the seed into the database, once for each of its generations, all of it or nothing. What people have changed
 * since stays: an administrator who is there keeps their password, hosts that were added stay.
 */
export async function importSeed(db: Db, seed: EngineSeed, now: Date, log: Log): Promise<boolean> {
  const before = await loadCluster(db);
  if (before !== undefined && before.id !== seed.cluster.id)
    throw new AppError({
      code: 'seed.other-cluster',
      family: 'conflict',
      message: `This engine's database belongs to the cluster ${before.name}, the seed to ${seed.cluster.name}.`,
      remedy: 'Give the engine a fresh data disk, or the right seed.',
    });
  if (before !== undefined && before.seedGeneration >= seed.generation) return false;
  await db.transaction(async (tx) => {
    await saveCluster(tx, {
      id: seed.cluster.id,
      name: seed.cluster.name,
      seedGeneration: seed.generation,
      etcdEndpoints: seed.etcd.endpoints,
      timeServers: seed.timeServers,
    });
    await ensureUser(tx, {
      id: userIdSchema.parse(randomUUID()),
      name: seed.admin.name,
      passwordHash: seed.admin.passwordHash,
      createdAt: now,
    });
    for (const host of seed.hosts) await ensureHost(tx, { ...host, membership: 'member', createdAt: now });
    for (const network of seed.networks) await ensureNetwork(tx, network);
    for (const volume of seed.volumes) await ensureVolume(tx, volume);
  });
  log.info(`seed imported: cluster ${seed.cluster.name}`, { generation: seed.generation });
  return true;
}
