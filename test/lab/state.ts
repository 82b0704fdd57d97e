import { mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import type { LabPlan } from './plan.ts';

/** What a running lab must remember from one command to the next: `.lab/<prefix>/state.json`. */
const stateSchema = z.object({
  hosts: z.number().int(),
  tree: z.string(),
  loops: z.record(z.string(), z.string()),
  cuts: z.array(
    z.object({
      host: z.string(),
      network: z.enum(['mgmt', 'stor']),
      port: z.string(),
      direction: z.enum(['in', 'out', 'both']),
    }),
  ),
  forwards: z.array(z.object({ address: z.string(), port: z.number(), local: z.number() })),
});
export type LabState = z.infer<typeof stateSchema>;

const pathOf = (plan: LabPlan): string => join(plan.folder, 'state.json');

export async function readState(plan: Pick<LabPlan, 'folder'>): Promise<LabState | undefined> {
  const text = await readFile(join(plan.folder, 'state.json'), 'utf8').catch(() => undefined);
  return text === undefined ? undefined : stateSchema.parse(JSON.parse(text));
}

export async function writeState(plan: LabPlan, state: LabState): Promise<void> {
  await mkdir(plan.folder, { recursive: true });
  const part = `${pathOf(plan)}.${process.pid}`;
  await writeFile(part, `${JSON.stringify(state, undefined, 1)}\n`);
  await rename(part, pathOf(plan));
}
