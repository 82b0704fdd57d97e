import { spawn } from 'node:child_process';

/** Runs a tool of the build machine; its output goes to stderr, so that a build script's stdout stays its answer. */
export async function tool(
  argv: readonly [string, ...string[]],
  options: { timeoutMs?: number; env?: Record<string, string>; quiet?: boolean; cwd?: string } = {},
): Promise<string> {
  const [name, ...args] = argv;
  const child = spawn(name, args, {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, LC_ALL: 'C.UTF-8', ...options.env },
    cwd: options.cwd,
  });
  let stdout = '';
  let stderr = '';
  child.stdout.on('data', (chunk: Buffer) => {
    stdout += chunk.toString();
  });
  child.stderr.on('data', (chunk: Buffer) => {
    stderr = (stderr + chunk.toString()).slice(-20_000);
    if (options.quiet === false) process.stderr.write(chunk);
  });
  const timeoutMs = options.timeoutMs ?? 120_000;
  let late = false;
  const timer = setTimeout(() => {
    late = true;
    child.kill('SIGKILL');
  }, timeoutMs);
  const code = await new Promise<number | null>((resolve, reject) => {
    child.on('error', reject);
    child.on('close', resolve);
  });
  clearTimeout(timer);
  if (late) throw new Error(`${name} did not finish within ${timeoutMs / 1000} s`);
  if (code !== 0)
    throw new Error(`${argv.join(' ')} failed (${code ?? 'killed'}): ${stderr.trim().slice(-2000)}`);
  return stdout;
}
