import { chmod, chown, mkdir, open, readFile, rename } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { EngineSeed } from '../../engine/contract/seed.ts';
import {
  type AppliedSeed,
  appliedSeedPath,
  formatApplied,
  ownerIds,
  parseApplied,
  type StateFile,
  stateFiles,
} from './plan.ts';

/** What applying does to the world; `root` is put before every path, so that tests work in a folder of their own. */
export type ApplyEnv = {
  root: string;
  /** owners are only set by root; tests leave them */
  setOwner: (path: string, id: number) => Promise<void>;
};

export const realEnv: ApplyEnv = { root: '', setOwner: (path, id) => chown(path, id, id) };

export async function readApplied(env: ApplyEnv): Promise<AppliedSeed | undefined> {
  return readFile(env.root + appliedSeedPath, 'utf8').then(parseApplied, () => undefined);
}

/**
 * Writes every file whole or not at all, and the mark that says "applied" last: after a crash at any line the next boot
 * finds the mark missing or old and does all of it again.
 */
export async function applySeed(env: ApplyEnv, seed: EngineSeed, sha256: string): Promise<void> {
  const mark: StateFile = {
    path: appliedSeedPath,
    owner: 'system',
    mode: 0o644,
    content: formatApplied({ sha256, generation: seed.generation }),
  };
  for (const file of [...stateFiles(seed), mark]) await writeWhole(env, file);
}

async function writeWhole(env: ApplyEnv, file: StateFile): Promise<void> {
  const path = env.root + file.path;
  const folder = dirname(path);
  if ((await mkdir(folder, { recursive: true })) !== undefined) {
    await chmod(folder, file.owner === 'engine' ? 0o700 : 0o755);
    await env.setOwner(folder, ownerIds[file.owner]);
  }
  const making = `${path}.new`;
  // truncates what a crash left behind; made unreadable to others before anything is in it
  const handle = await open(making, 'w', file.mode);
  try {
    await handle.chmod(file.mode);
    await handle.writeFile(file.content);
    await handle.sync();
  } finally {
    await handle.close();
  }
  await env.setOwner(making, ownerIds[file.owner]);
  await rename(making, path);
  await syncFolder(folder);
}

async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder);
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
