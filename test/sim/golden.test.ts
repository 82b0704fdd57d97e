/**
 * Each scenario of scenarios/ as it is expected, to the word. `UPDATE=1` writes what is now, for the new ones and the changed
 * ones: the diff is what is to be reviewed. A scenario that breaks a law, or not what it expects, is never written.
 */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { env } from 'node:process';
import * as assert from 'uvu/assert';
import { suite } from '../support/suite.ts';
import { goldenFile, readme, runNamed, scenarioNames } from './golden.ts';

const test = suite('scenarios of HA', { deadlineMs: 20_000 });
const isUpdate = env['UPDATE'] === '1';
const names = scenarioNames();

test('there are at least 150, and each says in one line what it shows', () => {
  assert.ok(names.length >= 150);
  for (const name of names) assert.match(readme(name), /^[^\n]{20,}\.\n$/, name);
  assert.is(new Set(names.map(readme)).size, names.length);
});

for (const name of names)
  test(name, () => {
    const { text, broken } = runNamed(name);
    assert.equal(broken, [], `${broken.join('\n')}\n${text}`);
    const file = goldenFile(name);
    if (isUpdate) writeFileSync(file, text);
    assert.ok(existsSync(file), `there is no expected.golden.log yet: UPDATE=1 writes it`);
    assert.fixture(text, readFileSync(file, 'utf8'));
  });

test.run();
