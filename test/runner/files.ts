import { execFileSync } from 'node:child_process';

/** `long` are unit tests that take too long to be run at each change. */
export type TestKind = 'unit' | 'long' | 'real' | 'lab';

export function kindOf(path: string): TestKind | undefined {
  if (path.endsWith('.lab.test.ts')) return 'lab';
  if (path.endsWith('.real.test.ts')) return 'real';
  if (path.endsWith('.long.test.ts')) return 'long';
  if (path.endsWith('.test.ts')) return 'unit';
  return undefined;
}

/** All files of the project that git knows or would add, in a stable order. */
export function projectFiles(): string[] {
  const out = execFileSync('git', ['ls-files', '-co', '--exclude-standard', '--deduplicate'], {
    encoding: 'utf8',
  });
  const gone = new Set(execFileSync('git', ['ls-files', '-d'], { encoding: 'utf8' }).split('\n'));
  return out
    .split('\n')
    .filter((path) => path !== '' && !gone.has(path))
    .sort();
}

export function testFiles(kind: TestKind, filters: readonly string[]): string[] {
  return projectFiles().filter(
    (path) =>
      kindOf(path) === kind && (filters.length === 0 || filters.some((filter) => path.includes(filter))),
  );
}
