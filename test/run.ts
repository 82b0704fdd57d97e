/**
 * Runs the tests: `node test/run.ts MODE [FILTER...]`. MODE is one of
 *   check  types, lint, format, svelte, unit tests but the long ones   (no root, no tools beyond Node, under 3 minutes)
 *   unit   unit tests alone: `*.test.ts`, and the long ones, `*.long.test.ts`
 *   real   tests against real tools on this machine: `*.real.test.ts` (root; installs Debian packages)
 *   lab    tests against a running lab: `*.lab.test.ts` (needs `npm run up`)
 *   all    everything, with a lab of its own
 * FILTER keeps the test files whose path contains it. Each file is a process of its own with a deadline, so that no
 * file can stall, skip or disturb another; a file that prints no uvu summary (no `.run()`) fails.
 */
import { existsSync } from 'node:fs';
import { exit, stdout } from 'node:process';
import { runCommand } from './runner/command.ts';
import { testFiles } from './runner/files.ts';
import { addUp, failures, runFiles, type Tally } from './runner/uvu.ts';

const [mode = 'check', ...filters] = process.argv.slice(2);
const bin = (name: string) => `node_modules/.bin/${name}`;

const inspect = async (): Promise<Tally> =>
  addUp([
    await runCommand('types', [bin('tsc'), '--noEmit', '-p', 'tsconfig.json']),
    await runCommand('lint and format', [bin('biome'), 'check', '--error-on-warnings', '.']),
    await runCommand('svelte', [bin('svelte-check'), '--tsconfig', 'ui/tsconfig.json', '--fail-on-warnings']),
  ]);

const inParallel = { concurrency: 2, deadlineMs: 120_000, preload: 'test/runner/resolve-drizzle.ts' };
const checks = () => runFiles(testFiles('unit', filters), { ...inParallel, first: inspect });
const long = () => runFiles(testFiles('long', filters), inParallel);
const unit = () => runFiles([...testFiles('unit', filters), ...testFiles('long', filters)], inParallel);
const real = async () => {
  const packages = await runCommand('packages', ['sh', 'test/setup/packages.sh']);
  if (packages.failed > 0) return packages;
  return addUp([
    packages,
    await runFiles(testFiles('real', filters), { concurrency: 1, deadlineMs: 900_000 }),
  ]);
};
const lab = () => runFiles(testFiles('lab', filters), { concurrency: 1, deadlineMs: 900_000 });

/** A lab that is already up is used and stays up; one that was started for the tests goes with them. */
async function all(): Promise<Tally> {
  const before = addUp([await checks(), await long(), await real()]);
  const wasUp = existsSync('.lab/cluster.json');
  const up = await runCommand('lab up', [process.execPath, 'test/lab/up.ts'], { deadlineMs: 40 * 60_000 });
  const inLab = up.failed === 0 ? await lab() : { passed: 0, failed: testFiles('lab', filters).length };
  if (wasUp) return addUp([before, up, inLab]);
  const down = await runCommand('lab down', [process.execPath, 'test/lab/down.ts'], {
    deadlineMs: 5 * 60_000,
  });
  return addUp([before, up, inLab, down]);
}

const modes: Record<string, () => Promise<Tally>> = { check: checks, unit, real, lab, all };
const chosen = modes[mode];
if (chosen === undefined) {
  stdout.write(`unknown mode "${mode}"; one of ${Object.keys(modes).join(', ')}\n`);
  exit(2);
}
const tally = await chosen();
for (const failure of failures) stdout.write(`FAILED ${failure}\n`);
stdout.write(`\n${tally.passed} passed, ${tally.failed} failed\n`);
exit(tally.failed === 0 && tally.passed > 0 ? 0 : 1);
