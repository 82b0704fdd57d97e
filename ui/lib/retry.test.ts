import * as assert from 'uvu/assert';
import { suite } from '../../test/support/suite.ts';
import { retryDelayMs } from './retry.ts';

const test = suite('retry');

test('the first try comes at once, later ones every five seconds or so', () => {
  assert.is(retryDelayMs(1, 0.5), 400);
  assert.is(retryDelayMs(2, 0.5), 800);
  assert.is(retryDelayMs(50, 0.5), 5000);
  assert.ok(retryDelayMs(50, 1) <= 6000 && retryDelayMs(50, 0) >= 4000);
});

test.run();
