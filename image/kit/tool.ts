import { execa } from 'execa';

export type ToolOptions = {
  timeoutMs?: number;
  cwd?: string;
  env?: Record<string, string>;
  input?: string | Uint8Array;
};

/** Runs a build tool to its end and gives its output; a failure says which tool, and its last words. Never a shell. */
export async function tool(argv: readonly [string, ...string[]], options: ToolOptions = {}): Promise<Buffer> {
  const [name, ...args] = argv;
  const timeoutMs = options.timeoutMs ?? 120_000;
  const result = await execa(name, args, {
    reject: false,
    encoding: 'buffer',
    timeout: timeoutMs,
    forceKillAfterDelay: 5_000,
    stripFinalNewline: false,
    maxBuffer: 64 * 1024 * 1024,
    env: { LC_ALL: 'C.UTF-8', ...options.env },
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
    ...(options.input === undefined ? { stdin: 'ignore' as const } : { input: options.input }),
  });
  if (!result.failed) return Buffer.from(result.stdout);
  const lastWords = Buffer.from(result.stderr ?? [])
    .toString()
    .trim()
    .slice(-2000);
  const how = result.timedOut
    ? `did not finish within ${Math.round(timeoutMs / 1000)} s`
    : result.exitCode === undefined
      ? 'could not be run; is its package installed? (test/setup/packages.sh)'
      : `failed with exit code ${result.exitCode}`;
  throw new Error(`${name} ${how}${lastWords === '' ? '' : `:\n${lastWords}`}`);
}
