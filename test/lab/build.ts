import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { run } from '../../node/command/run.ts';
import { repoRoot } from './plan.ts';

/** Build scripts print on stdout what they made, a path a line; what follows a blank is a remark. */
export const pathsIn = (stdout: string): string[] =>
  stdout
    .split('\n')
    .map((line) => /^(\/\S+)/.exec(line)?.[1])
    .filter((path) => path !== undefined);

/** Runs an image's build script, which finds its work done when nothing changed; none when there is no such script. */
export async function buildImage(script: string, timeoutMs: number): Promise<string[]> {
  const path = join(repoRoot, script);
  if (!existsSync(path)) return [];
  const { stdout } = await run([process.execPath, '--no-warnings', path], { timeoutMs });
  const paths = pathsIn(stdout);
  const missing = paths.find((one) => !existsSync(one));
  if (paths.length === 0 || missing !== undefined)
    throw new Error(
      `${script} did not say where its image is${missing === undefined ? '' : `: ${missing} does not exist`}`,
    );
  return paths;
}
