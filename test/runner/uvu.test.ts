import * as assert from 'uvu/assert';
import { suite } from '../support/suite.ts';
import { judge } from './uvu.ts';

const test = suite('the test runner');

test('counts what uvu says', () => {
  const output = '  Total:     3\n  Passed:    3\n  Skipped:   0\n';
  assert.equal(judge(output, 0), { passed: 3, failed: 0, why: undefined });
});

test('fails a file that never called run()', () => {
  assert.is(judge('', 0).failed, 1);
});

test('fails a file that was cut off at its deadline', () => {
  assert.is(judge('  Total:     3\n  Passed:    3\n  Skipped:   0\n', null).failed, 1);
});

test('counts failed tests', () => {
  assert.equal(judge('  Total:     3\n  Passed:    1\n  Skipped:   0\n', 1), {
    passed: 1,
    failed: 2,
    why: '2 of 3 failed',
  });
});

test('fails a file whose tests passed but which then crashed', () => {
  assert.is(judge('  Total:     1\n  Passed:    1\n  Skipped:   0\n', 7).failed, 1);
});

test.run();
