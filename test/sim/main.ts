/**
 * `npm run sim -- --runs N [--seed S] [--json FILE]`: so many random schedules from this seed on; a broken law is told with
 * its seed. `npm run sim -- --seed S --show` prints one run. `npm run sim -- --scenario FILE` runs one that was written down.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { argv, exit, stdout } from 'node:process';
import { parseArgs } from 'node:util';
import { type Outcome, runRandom, runScenario } from './run.ts';
import { readScenario } from './scenario.ts';

const { values } = parseArgs({
  args: argv.slice(2),
  options: {
    runs: { type: 'string', default: '1000' },
    seed: { type: 'string', default: '1' },
    json: { type: 'string' },
    show: { type: 'boolean', default: false },
    scenario: { type: 'string' },
  },
});
const first = Number(values.seed);

function show({ log, broken }: Outcome): void {
  for (const { atMs, text } of log) stdout.write(`${(atMs / 1000).toFixed(3).padStart(9)}  ${text}\n`);
  for (const law of broken) stdout.write(`BROKEN ${law}\n`);
}

function many(): number {
  const began = performance.now();
  const failed: { seed: number; broken: string[] }[] = [];
  const runs = Number(values.runs);
  for (let seed = first; seed < first + runs; seed += 1) {
    const { broken } = runRandom(seed);
    if (broken.length === 0) continue;
    failed.push({ seed, broken });
    stdout.write(`seed ${seed}: ${broken[0]}\n`);
  }
  const seconds = (performance.now() - began) / 1000;
  const rate = Math.round(runs / seconds);
  stdout.write(`${runs} schedules, ${failed.length} with a broken law; ${rate} a second\n`);
  if (values.json !== undefined)
    writeFileSync(values.json, `${JSON.stringify({ runs, seed: first, rate, failed }, undefined, 1)}\n`);
  return failed.length;
}

if (values.scenario !== undefined) {
  const outcome = runScenario(readScenario(JSON.parse(readFileSync(values.scenario, 'utf8'))), first);
  show(outcome);
  exit(outcome.broken.length > 0 ? 1 : 0);
}
if (values.show) {
  const outcome = runRandom(first);
  stdout.write(`${JSON.stringify(outcome.scenario, undefined, 1)}\n`);
  show(outcome);
  exit(outcome.broken.length > 0 ? 1 : 0);
}
exit(many() > 0 ? 1 : 0);
