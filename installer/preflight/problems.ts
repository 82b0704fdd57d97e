import type { Problem } from '../contract/problems.ts';

/** The same thing seen from several hosts is told once. */
export function distinct(problems: readonly Problem[]): Problem[] {
  const seen = new Set<string>();
  return problems.filter((problem) => {
    const key = `${problem.code}\n${problem.reason}`;
    if (seen.has(key)) return false;
    seen.add(key);
    return true;
  });
}
