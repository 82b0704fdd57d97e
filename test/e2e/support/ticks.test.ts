import * as assert from 'uvu/assert';
import { suite } from '../../support/suite.ts';
import { makeTickCounter } from './ticks.ts';

const test = suite('ticks');

test('overlapping parts of a log are one count', () => {
  const ticks = makeTickCounter();
  ticks.read('boot\ntick 0 1.00\ntick 1 1.25\r\nwrote 0 1.3\ntick 2 1.5');
  ticks.read('tick 1 1.25\ntick 2 1.50\ntick 3 2.10\n');
  assert.is(ticks.highest(), 3);
  assert.equal(ticks.missing(), []);
  assert.is(ticks.longestPauseMs(), 600);
});

test('a gap is told by its numbers', () => {
  const ticks = makeTickCounter();
  ticks.read('tick 4 1\ntick 7 2\n');
  assert.equal(ticks.missing(), [5, 6]);
});

test.run();
