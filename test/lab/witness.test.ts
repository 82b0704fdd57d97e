import * as assert from 'uvu/assert';
import { suite } from '../support/suite.ts';
import { faultsOf, longestStallMs, readRecords } from './witness.ts';

const test = suite('the witness on a disk');
const line = (number: number, boot: string) =>
  `trefoil-witness n=${number} boot=${boot} up=1.00 name=web01\n`;
const faults = (...records: [number, string][]) =>
  faultsOf(readRecords(records.map(([number, boot]) => line(number, boot)).join('')));

test('one boot after the other, without a gap, is well', () => {
  assert.equal(faults([1, 'a'], [2, 'a'], [3, 'b'], [4, 'b']), []);
  assert.equal(faults(), []);
});

test('records are read in any order, as slots on a disk give them', () => {
  assert.equal(faults([3, 'b'], [1, 'a'], [2, 'a']), []);
});

test('a boot that writes after another one has begun is two machines on one disk', () => {
  assert.equal(faults([1, 'a'], [2, 'b'], [3, 'a']), ['boot a wrote record 3 after another boot had begun']);
});

test('a record that is missing, or is there twice, is told', () => {
  assert.is(faults([1, 'a'], [3, 'a']).length, 1);
  assert.is(faults([1, 'a'], [1, 'b'], [2, 'b']).length, 1);
});

test('the longest stall is what one round took more than a usual one; another boot has none', () => {
  const records = [1, 2.1, 3.2, 7.3, 8.4].map((upSeconds, at) => ({ number: at + 1, boot: 'a', upSeconds }));
  assert.is(longestStallMs(records, 1), 3_000);
  assert.is(longestStallMs(records, 4), 0);
  assert.is(longestStallMs([...records, { number: 6, boot: 'b', upSeconds: 1 }], 1), undefined);
});

test.run();
