/** The built page, made once for each state of its sources: a test never runs against an old build. */
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { build } from 'vite';
import { projectFiles } from '../../runner/files.ts';

const madeFrom = (path: string) =>
  (path.startsWith('ui/') && !path.endsWith('.test.ts') && !path.endsWith('.md') && !path.endsWith('.png')) ||
  ((path.startsWith('engine/contract/') || path.startsWith('node/contract/')) &&
    !path.endsWith('.test.ts')) ||
  path === 'package-lock.json';

export async function builtUi(): Promise<string> {
  const hash = createHash('sha256');
  for (const path of projectFiles().filter(madeFrom))
    hash.update(path).update('\0').update(readFileSync(path));
  const folder = join(process.cwd(), '.cache', 'ui', hash.digest('hex').slice(0, 16));
  if (existsSync(folder)) return folder;
  const making = `${folder}.${process.pid}`;
  mkdirSync(making, { recursive: true });
  await build({ configFile: 'ui/vite.config.ts', logLevel: 'warn', build: { outDir: making } });
  try {
    renameSync(making, folder);
  } catch {
    // Another test was quicker and made the same.
    rmSync(making, { recursive: true, force: true });
  }
  return folder;
}
