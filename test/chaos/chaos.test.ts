import * as assert from 'uvu/assert';
import { makeRandom } from '../sim/random.ts';
import { suite } from '../support/suite.ts';
import { drawRound } from './draw.ts';
import { faultNames, faultOf } from './faults.ts';
import { lostOf } from './witnesses.ts';

const test = suite('random faults');
const hosts = ['host1', 'host2', 'host3'];
const rounds = (seed: number) => {
  const random = makeRandom(seed);
  return Array.from({ length: 300 }, () => drawRound(random, hosts));
};

test('the same seed gives the same rounds, another one others', () => {
  assert.equal(rounds(1), rounds(1));
  assert.not.equal(rounds(1), rounds(2));
});

test('all faults happen, to all hosts, and none lasts longer than it may', () => {
  const blows = rounds(1).flat();
  assert.equal(new Set(blows.map(({ fault }) => fault)).size, faultNames.length);
  assert.equal([...new Set(blows.map(({ host }) => host))].sort(), hosts);
  assert.ok(blows.every(({ fault, seconds }) => seconds <= faultOf(fault).secondsAtMost));
});

test('a record that is gone or of another boot is lost; one that the ring has written over is not', () => {
  const record = (number: number, boot = 'a') => ({ number, boot, upSeconds: number });
  const before = [record(1), record(2), record(3)];
  assert.equal(lostOf(before, [record(2), record(3), record(4)]), []);
  assert.equal(lostOf(before, [record(1), record(2), record(4)]), ['record 3 was on the disk and is lost']);
  assert.equal(lostOf(before, [record(1), record(2), record(3, 'b')]), [
    'record 3 was on the disk and is lost',
  ]);
});

test.run();
