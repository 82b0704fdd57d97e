import { spawn } from 'node:child_process';
import { stdout } from 'node:process';
import { failures, type Tally } from './uvu.ts';

/** Runs one command as one check: shows its output, counts as one passed or one failed. */
export async function runCommand(
  title: string,
  argv: readonly [string, ...string[]],
  options: { deadlineMs?: number } = {},
): Promise<Tally> {
  const started = performance.now();
  stdout.write(`== ${title}\n`);
  const [tool, ...args] = argv;
  const child = spawn(tool, args, { stdio: ['ignore', 'inherit', 'inherit'] });
  const timer = setTimeout(() => child.kill('SIGTERM'), options.deadlineMs ?? 10 * 60_000);
  const code = await new Promise<number | null>((resolve) => {
    child.on('error', () => resolve(null));
    child.on('close', (exitCode) => resolve(exitCode));
  });
  clearTimeout(timer);
  const seconds = ((performance.now() - started) / 1000).toFixed(1);
  stdout.write(`== ${title}: ${code === 0 ? 'ok' : `FAILED (${code ?? 'killed'})`} in ${seconds} s\n`);
  if (code !== 0) failures.push(title);
  return code === 0 ? { passed: 1, failed: 0 } : { passed: 0, failed: 1 };
}
