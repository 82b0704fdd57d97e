import * as assert from 'uvu/assert';
import { suite } from '../../test/support/suite.ts';
import { keysymsOf } from './keysyms.ts';

const test = suite('keysyms');

test('latin characters are themselves, the rest of Unicode has its own range', () => {
  assert.equal(keysymsOf('aA~é'), [0x61, 0x41, 0x7e, 0xe9]);
  assert.equal(keysymsOf('€'), [0x0100_20ac]);
});

test('line ends are one Return each, other control characters are left out', () => {
  assert.equal(keysymsOf('a\r\nb\rc\n'), [0x61, 0xff0d, 0x62, 0xff0d, 0x63, 0xff0d]);
  assert.equal(keysymsOf('a\u0000\u0007b'), [0x61, 0x62]);
});

test.run();
