import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { z } from 'zod';
import { type LabPlan, repoRoot } from './plan.ts';

/** Where the running cluster is and how to log in: what tests, benchmarks and people read. Ignored by git. */
export const clusterFileSchema = z.object({
  engine: z.object({
    url: z.string(),
    user: z.string(),
    password: z.string(),
    /** PEM of the cluster's authority, which signed the engine's certificate */
    ca: z.string(),
  }),
  hosts: z.array(z.object({ name: z.string(), address: z.string(), storageAddress: z.string() })),
});
export type ClusterFile = z.infer<typeof clusterFileSchema>;

export const clusterFilePath = (prefix = 'tf'): string =>
  join(repoRoot, '.lab', prefix === 'tf' ? 'cluster.json' : `cluster-${prefix}.json`);

export async function readClusterFile(prefix?: string): Promise<ClusterFile | undefined> {
  const text = await readFile(clusterFilePath(prefix), 'utf8').catch(() => undefined);
  return text === undefined ? undefined : clusterFileSchema.parse(JSON.parse(text));
}

export async function writeClusterFile(plan: LabPlan, engine: ClusterFile['engine']): Promise<void> {
  const file: ClusterFile = {
    engine,
    hosts: plan.hosts.map(({ name, address, storageAddress }) => ({ name, address, storageAddress })),
  };
  const path = clusterFilePath(plan.prefix);
  await mkdir(dirname(path), { recursive: true });
  await writeFile(`${path}.part`, `${JSON.stringify(file, undefined, 2)}\n`, { mode: 0o600 });
  await rename(`${path}.part`, path);
}

export const removeClusterFile = (prefix: string): Promise<void> =>
  rm(clusterFilePath(prefix), { force: true });
