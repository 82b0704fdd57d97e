/** A rule that is taken out must be seen: by its own scenario, and what is in random schedules too, by these. */
import * as assert from 'uvu/assert';
import { suite } from '../support/suite.ts';
import { readNamed } from './golden.ts';
import { mutants } from './mutants.ts';
import { runScenario } from './run.ts';

const test = suite('the core without one of its rules breaks a law', { deadlineMs: 30_000 });

for (const { rule, scenario: name, decide } of mutants)
  test(`${rule} (${name})`, () => {
    const scenario = readNamed(name);
    assert.equal(runScenario(scenario, scenario.seed).broken, []);
    assert.ok(runScenario(scenario, scenario.seed, { decide }).broken.length > 0, 'nothing was noticed');
  });

test.run();
