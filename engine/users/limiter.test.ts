import * as assert from 'uvu/assert';
import { suite } from '../../test/support/suite.ts';
import { makeLimiter } from './limiter.ts';

const test = suite('how often a wrong password may be tried');

test('who has an account beside the admin cannot wash off wrong tries with logins of their own', () => {
  const limiter = makeLimiter(() => 0);
  const admin = { name: 'admin', address: '10.0.0.7' };
  const other = { name: 'other', address: '10.0.0.7' };
  limiter.succeeded(admin);
  assert.throws(() => {
    for (let round = 0; round < 20; round += 1) {
      limiter.check(admin);
      limiter.failed(admin);
      limiter.succeeded(other);
    }
  }, /too many wrong passwords/);
});

test('strangers elsewhere do not lock out a name where it was logged in from before', () => {
  const limiter = makeLimiter(() => 0);
  const admin = { name: 'admin', address: '10.0.0.7' };
  limiter.succeeded(admin);
  for (let round = 0; round < 20; round += 1) limiter.failed({ name: 'admin', address: `10.0.1.${round}` });
  limiter.check(admin);
  assert.throws(() => limiter.check({ name: 'admin', address: '10.0.2.1' }), /too many wrong passwords/);
});

test.run();
