import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { runScenario } from './run.ts';
import { readScenario } from './scenario.ts';

/** Scenarios that were written down, each in a folder: README.md (one line), scenario.json, expected.golden.log. */
export const scenariosFolder = join(import.meta.dirname, 'scenarios');
export const scenarioFile = (name: string) => join(scenariosFolder, name, 'scenario.json');
export const goldenFile = (name: string) => join(scenariosFolder, name, 'expected.golden.log');

export const scenarioNames = (): string[] =>
  readdirSync(scenariosFolder, { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map(({ name }) => name)
    .sort();

export const readNamed = (name: string) => readScenario(JSON.parse(readFileSync(scenarioFile(name), 'utf8')));
export const readme = (name: string): string => {
  const file = join(scenariosFolder, name, 'README.md');
  return existsSync(file) ? readFileSync(file, 'utf8') : '';
};

/** The log as it is compared: one line a happening, and what was broken. */
export function runNamed(name: string): { text: string; broken: string[] } {
  const scenario = readNamed(name);
  const { log, broken } = runScenario(scenario, scenario.seed);
  const lines = log.map(({ atMs, text }) => `${(atMs / 1000).toFixed(3).padStart(9)}  ${text}`);
  return { text: `${lines.join('\n')}\n`, broken };
}
