/** 2,000 random schedules, always the same ones. More: `npm run sim -- --runs N --seed S`. */
import * as assert from 'uvu/assert';
import { suite } from '../support/suite.ts';
import { runRandom } from './run.ts';

const runs = 2_000;
const chunk = 250;
const test = suite('random troubles, some at once', { deadlineMs: 100_000 });

for (let first = 1; first <= runs; first += chunk)
  test(`no law is broken, and in the end every VM runs: seeds ${first} to ${first + chunk - 1}`, () => {
    for (let seed = first; seed < first + chunk; seed += 1)
      assert.equal(runRandom(seed).broken, [], `npm run sim -- --seed ${seed} --show`);
  });

test('the same seed gives the same run', () => {
  assert.equal(runRandom(7).log, runRandom(7).log);
});

test.run();
