import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { z } from 'zod';
import { isPopulated } from './cgroup.ts';
import { netnsExists } from './network.ts';
import type { LabPlan } from './plan.ts';

/**
 * Names of namespaces and control groups are machine-wide, while a lab's state lives in its clone. The claim tells
 * which clone uses a prefix, so that two clones cannot tear down each other's hosts.
 */
const folder = '/run/trefoil-lab';
const claimSchema = z.object({ folder: z.string() });

const pathOf = (prefix: string): string => `${folder}/${prefix}.json`;

async function readClaim(prefix: string): Promise<string | undefined> {
  const text = await readFile(pathOf(prefix), 'utf8').catch(() => undefined);
  if (text === undefined) return undefined;
  const parsed = claimSchema.safeParse(JSON.parse(text));
  return parsed.success ? parsed.data.folder : undefined;
}

/** Throws when another clone's lab with this prefix is alive; says where it is. */
export async function checkClaim(plan: LabPlan): Promise<void> {
  const owner = await readClaim(plan.prefix);
  if (owner === undefined || owner === plan.folder) return;
  const alive = netnsExists(plan.netns) || (await isPopulated(plan.prefix));
  if (alive)
    throw new Error(
      `the lab prefix "${plan.prefix}" is in use by ${owner}: stop it there, or choose another with --prefix`,
    );
}

export async function takeClaim(plan: LabPlan): Promise<void> {
  if (process.getuid?.() !== 0)
    throw new Error('the lab needs root: it makes namespaces, mounts and loop devices');
  await checkClaim(plan);
  await mkdir(folder, { recursive: true });
  await writeFile(pathOf(plan.prefix), JSON.stringify({ folder: plan.folder }));
}

export async function dropClaim(plan: LabPlan): Promise<void> {
  await rm(pathOf(plan.prefix), { force: true });
}
