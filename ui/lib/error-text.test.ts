import * as assert from 'uvu/assert';
import { AppError } from '../../node/contract/error.ts';
import { suite } from '../../test/support/suite.ts';
import { errorSentence, errorText, isLoggedOut } from './error-text.ts';

const test = suite('error text');

test('says what the engine said, with its remedy', () => {
  const error = new AppError({
    code: 'vm.not-running',
    family: 'conflict',
    message: 'web01 is not running.',
    remedy: 'Start it first.',
  });
  assert.equal(errorText(error), {
    message: 'web01 is not running.',
    remedy: 'Start it first.',
    code: 'vm.not-running',
  });
  assert.is(errorSentence(error.toBody().error), 'web01 is not running. Start it first.');
});

test('a request without an answer is the engine being away, not a browser error', () => {
  assert.is(errorText(new TypeError('Failed to fetch')).code, 'engine.unreachable');
  assert.match(errorSentence(new TypeError('Failed to fetch')), /cannot be reached/);
});

test('never shows the words of an exception that nobody foresaw', () => {
  assert.not.match(errorSentence(new Error('undefined is not a function')), /undefined/);
});

test('tells the end of a session from a refusal', () => {
  const denied = (code: string) => new AppError({ code, family: 'denied', message: 'No.' });
  assert.ok(isLoggedOut(denied('session.expired')));
  assert.ok(isLoggedOut(denied('session.missing')));
  assert.not.ok(isLoggedOut(denied('session.wrong-password')));
  assert.not.ok(isLoggedOut(denied('vm.denied')));
});

test.run();
