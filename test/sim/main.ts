/**
 * `npm run sim -- --runs N [--seed S] [--json FILE]`: so many random schedules from this seed on; a broken law is told with
 *   its seed, and the first one with the smallest scenario that still breaks it.
 * `npm run sim -- --seed S --show`: one run, with all that happened.
 * `npm run sim -- --scenario NAME`: one that was written down: a folder of scenarios/, or a file.
 */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { argv, exit, stdout } from 'node:process';
import { parseArgs } from 'node:util';
import { scenarioFile } from './golden.ts';
import { type Outcome, runAndHeal, runRandom, runScenario } from './run.ts';
import { readScenario, type Scenario } from './scenario.ts';
import { lawOf, shrink } from './shrink.ts';

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
const print = (scenario: Scenario) => stdout.write(`${JSON.stringify(scenario, undefined, 1)}\n`);

function show({ log, broken }: Outcome): number {
  for (const { atMs, text } of log) stdout.write(`${(atMs / 1000).toFixed(3).padStart(9)}  ${text}\n`);
  for (const law of broken) stdout.write(`BROKEN ${law}\n`);
  return broken.length;
}

/** The smallest one that was found, run with the seed's own luck, as it broke there. */
function smallest(seed: number, scenario: Scenario, broken: readonly string[]): Scenario {
  const law = lawOf(broken[0] ?? '');
  return shrink(scenario, (smaller) => runAndHeal(smaller, seed).broken.some((said) => lawOf(said) === law));
}

function many(): number {
  const began = performance.now();
  const failed: { seed: number; broken: string[]; scenario?: Scenario }[] = [];
  const runs = Number(values.runs);
  for (let seed = first; seed < first + runs; seed += 1) {
    const { broken, scenario } = runRandom(seed);
    if (broken.length === 0) continue;
    stdout.write(`seed ${seed}: ${broken[0]}\n`);
    if (failed.length > 0) {
      failed.push({ seed, broken });
      continue;
    }
    const small = smallest(seed, scenario, broken);
    print(small);
    failed.push({ seed, broken, scenario: small });
  }
  const seconds = (performance.now() - began) / 1000;
  const rate = Math.round(runs / seconds);
  stdout.write(`${runs} schedules, ${failed.length} with a broken law; ${rate} a second\n`);
  if (values.json !== undefined)
    writeFileSync(values.json, `${JSON.stringify({ runs, seed: first, rate, failed }, undefined, 1)}\n`);
  return failed.length;
}

function one(): number {
  const { scenario, ...outcome } = runRandom(first);
  print(scenario);
  const broken = show(outcome);
  if (broken > 0) {
    stdout.write('The smallest that breaks the same law:\n');
    print(smallest(first, scenario, outcome.broken));
  }
  return broken;
}

function written(name: string): number {
  const file = existsSync(name) ? name : scenarioFile(name);
  const scenario = readScenario(JSON.parse(readFileSync(file, 'utf8')));
  return show(runScenario(scenario, scenario.seed));
}

const failures = values.scenario !== undefined ? written(values.scenario) : values.show ? one() : many();
exit(failures > 0 ? 1 : 0);
