import { z } from 'zod';
import { type Db, databaseError } from '../db/database.ts';
import { cluster, networks, volumes } from '../db/schema.ts';

/** The cluster as the seed told it; in memory after the start. */
export const clusterRecordSchema = z.object({
  id: z.uuid(),
  name: z.string(),
  seedGeneration: z.number().int(),
  etcdEndpoints: z.array(z.string()),
  timeServers: z.array(z.string()),
});
export type ClusterRecord = z.infer<typeof clusterRecordSchema>;

export async function loadCluster(db: Db): Promise<ClusterRecord | undefined> {
  const [row] = await db.select().from(cluster);
  return row === undefined ? undefined : clusterRecordSchema.parse(row);
}

export async function saveCluster(db: Db, record: ClusterRecord): Promise<void> {
  const row = { one: true, ...record };
  await db.insert(cluster).values(row).onConflictDoUpdate({ target: cluster.one, set: record });
}

export type NetworkRecord = { name: string; bridge: string };
export type VolumeRecord = { name: string; forVms: boolean };

export const loadNetworks = (db: Db): Promise<NetworkRecord[]> =>
  db
    .select()
    .from(networks)
    .orderBy(networks.name)
    .catch((thrown: unknown) => {
      throw databaseError(thrown, 'reading the networks');
    });

export const loadVolumes = (db: Db): Promise<VolumeRecord[]> =>
  db
    .select()
    .from(volumes)
    .orderBy(volumes.name)
    .catch((thrown: unknown) => {
      throw databaseError(thrown, 'reading the volumes');
    });

export async function ensureNetwork(db: Db, record: NetworkRecord): Promise<void> {
  await db
    .insert(networks)
    .values(record)
    .onConflictDoUpdate({ target: networks.name, set: { bridge: record.bridge } });
}

export async function ensureVolume(db: Db, record: VolumeRecord): Promise<void> {
  await db
    .insert(volumes)
    .values(record)
    .onConflictDoUpdate({ target: volumes.name, set: { forVms: record.forVms } });
}
