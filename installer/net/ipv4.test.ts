import * as assert from 'uvu/assert';
import { suite } from '../../test/support/suite.ts';
import {
  isHostAddress,
  isInside,
  isSpecial,
  nthAddress,
  overlap,
  subnetOf,
  toAddress,
  toNumber,
} from './ipv4.ts';

const test = suite('ipv4');

test('numbers and back, also above 2^31', () => {
  for (const address of ['0.0.0.0', '10.77.0.11', '192.168.255.1', '255.255.255.255'])
    assert.is(toAddress(toNumber(address)), address);
});

test('subnets', () => {
  assert.is(subnetOf('10.77.0.100/24'), '10.77.0.0/24');
  assert.is(subnetOf('200.1.2.3/22'), '200.1.0.0/22');
  assert.ok(isInside('10.77.0.1', '10.77.0.100/24'));
  assert.not(isInside('10.77.1.1', '10.77.0.100/24'));
});

test('overlap', () => {
  assert.ok(overlap('10.0.0.0/8', '10.77.0.0/24'));
  assert.ok(overlap('10.77.0.0/24', '10.0.0.0/8'));
  assert.not(overlap('10.77.0.0/24', '10.77.1.0/24'));
});

test('what a machine can have', () => {
  assert.ok(isHostAddress('10.77.0.1', '10.77.0.0/24'));
  assert.not(isHostAddress('10.77.0.0', '10.77.0.0/24'));
  assert.not(isHostAddress('10.77.0.255', '10.77.0.0/24'));
  assert.not(isHostAddress('10.77.1.1', '10.77.0.0/24'));
  assert.ok(isHostAddress('10.77.0.0', '10.77.0.0/31'));
  assert.ok(isSpecial('127.0.0.1'));
  assert.ok(isSpecial('239.1.1.1'));
  assert.not(isSpecial('10.77.0.1'));
  assert.is(nthAddress('10.77.1.0/24', 11), '10.77.1.11');
  assert.is(nthAddress('10.77.1.0/29', 11), undefined);
});

test.run();
