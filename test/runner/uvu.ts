import { spawn } from 'node:child_process';
import { resolve } from 'node:path';
import { stdout } from 'node:process';

export type Tally = { passed: number; failed: number };
/** What did not pass, for the end of the run: its place in the output may be a thousand lines up. */
export const failures: string[] = [];
export const addUp = (tallies: readonly Tally[]): Tally =>
  tallies.reduce((sum, one) => ({ passed: sum.passed + one.passed, failed: sum.failed + one.failed }), {
    passed: 0,
    failed: 0,
  });

/** Reads uvu's closing summary; undefined when there is none, which means that no suite was run. */
export function readSummary(output: string): { total: number; passed: number; skipped: number } | undefined {
  const number = (name: string) => new RegExp(`^\\s*${name}:\\s+(\\d+)`, 'm').exec(output)?.[1];
  const [total, passed, skipped] = [number('Total'), number('Passed'), number('Skipped')];
  if (total === undefined || passed === undefined || skipped === undefined) return undefined;
  return { total: Number(total), passed: Number(passed), skipped: Number(skipped) };
}

/** What one file's run amounts to. A file that crashed or was cut off counts as at least one failure. */
export function judge(output: string, exitCode: number | null): Tally & { why: string | undefined } {
  const summary = readSummary(output);
  if (exitCode === null)
    return { passed: 0, failed: 1, why: 'did not end before its deadline, or was killed' };
  if (summary === undefined || summary.total === 0)
    return { passed: 0, failed: 1, why: 'ran no test: is `.run()` missing?' };
  const failed = summary.total - summary.passed - summary.skipped;
  if (failed === 0 && exitCode !== 0)
    return { passed: summary.passed, failed: 1, why: `ended with exit code ${exitCode}` };
  return {
    passed: summary.passed,
    failed,
    why: failed > 0 ? `${failed} of ${summary.total} failed` : undefined,
  };
}

async function runFile(path: string, deadlineMs: number, preload: string | undefined): Promise<Tally> {
  const started = performance.now();
  const preloading = preload === undefined ? [] : ['--import', resolve(preload)];
  const child = spawn(process.execPath, [...preloading, '--no-warnings', path], {
    stdio: ['ignore', 'pipe', 'pipe'],
    // Compiled code is kept: each file is a process of its own, and most import the same libraries.
    env: { NODE_COMPILE_CACHE: resolve('.cache/compile'), ...process.env, FORCE_COLOR: '0', NO_COLOR: '1' },
  });
  let output = '';
  const collect = (chunk: Buffer) => {
    output += chunk.toString();
  };
  child.stdout.on('data', collect);
  child.stderr.on('data', collect);
  const timer = setTimeout(() => child.kill('SIGKILL'), deadlineMs);
  const exitCode = await new Promise<number | null>((resolve) => {
    child.on('error', () => resolve(null));
    child.on('close', (code) => resolve(code));
  });
  clearTimeout(timer);
  const verdict = judge(output, exitCode);
  const seconds = ((performance.now() - started) / 1000).toFixed(1);
  stdout.write(
    `${verdict.failed === 0 ? 'ok  ' : 'FAIL'} ${path} (${verdict.passed} passed, ${seconds} s)\n`,
  );
  if (verdict.failed === 0)
    for (const [line] of output.matchAll(/measured: .*$/gm)) stdout.write(`     ${line}\n`);
  if (verdict.failed > 0) {
    failures.push(`${path}: ${verdict.why}`);
    stdout.write(`--- ${verdict.why}\n${output}\n---\n`);
  }
  return verdict;
}

/**
 * Runs test files, each in its own process, `concurrency` at a time; one of these lanes begins with `first`, so that no
 * core is idle while checks run that use only one.
 */
export async function runFiles(
  paths: readonly string[],
  options: { concurrency: number; deadlineMs: number; first?: () => Promise<Tally>; preload?: string },
): Promise<Tally> {
  const waiting = [...paths];
  const results: Tally[] = [];
  const worker = async (_: unknown, lane: number) => {
    if (lane === 0 && options.first !== undefined) results.push(await options.first());
    for (let path = waiting.shift(); path !== undefined; path = waiting.shift())
      results.push(await runFile(path, options.deadlineMs, options.preload));
  };
  await Promise.all(Array.from({ length: options.concurrency }, worker));
  return addUp(results);
}
