import { execa } from 'execa';
import { AppError } from '../contract/error.ts';

export type RunOptions = {
  /** ends the tool when it takes longer; every call has one */
  timeoutMs?: number;
  input?: string | Uint8Array;
  signal?: AbortSignal;
  env?: Record<string, string>;
  /** exit codes that are an answer, not a failure */
  okExitCodes?: readonly number[];
  maxOutputBytes?: number;
};

export type RunResult = { exitCode: number; stdout: string; stderr: string };

/** How the outside world runs tools; tests give their own. `argv[0]` is the tool. Never a shell. */
export type Run = (argv: readonly [string, ...string[]], options?: RunOptions) => Promise<RunResult>;

const firstLine = (text: string): string => text.trim().split('\n')[0]?.slice(0, 300) ?? '';

/**
 * Runs an external tool. Three failures, told apart by code: `command.could-not-run` (not there, killed),
 * `command.timed-out`, `command.refused` (ran and said no: exit code and stderr in details).
 * The fourth, an answer that cannot be read, is `command.unreadable` and is thrown by the parsers.
 */
export const run: Run = async (argv, options = {}) => {
  const [tool, ...args] = argv;
  const timeoutMs = options.timeoutMs ?? 120_000;
  const result = await execa(tool, args, {
    reject: false,
    timeout: timeoutMs,
    forceKillAfterDelay: 2_000,
    stripFinalNewline: false,
    env: { LC_ALL: 'C.UTF-8', ...options.env },
    maxBuffer: options.maxOutputBytes ?? 32 * 1024 * 1024,
    ...(options.input === undefined ? { stdin: 'ignore' as const } : { input: options.input }),
    ...(options.signal === undefined ? {} : { cancelSignal: options.signal }),
  });
  const stdout = String(result.stdout ?? '');
  const stderr = String(result.stderr ?? '');
  if (result.timedOut)
    throw new AppError({
      code: 'command.timed-out',
      family: 'unavailable',
      message: `${tool} did not finish within ${Math.round(timeoutMs / 1000)} s.`,
      details: { tool, args },
    });
  if (result.exitCode === undefined)
    throw new AppError({
      code: 'command.could-not-run',
      family: 'unavailable',
      message: `${tool} could not be run.`,
      details: { tool, args, signal: result.signal ?? null, cancelled: result.isCanceled },
      cause: result.cause ?? result,
    });
  if (result.exitCode !== 0 && !(options.okExitCodes ?? []).includes(result.exitCode))
    throw new AppError({
      code: 'command.refused',
      family: 'conflict',
      message: `${tool} refused: ${firstLine(stderr) || firstLine(stdout) || `exit code ${result.exitCode}`}`,
      details: { tool, args, exitCode: result.exitCode, stderr: stderr.slice(-2000) },
    });
  return { exitCode: result.exitCode, stdout, stderr };
};

export function unreadable(tool: string, what: string, cause?: unknown): AppError {
  return new AppError({
    code: 'command.unreadable',
    family: 'bug',
    message: `${tool} gave an answer that could not be understood: ${what}.`,
    retry: 'later',
    cause,
  });
}
