import * as assert from 'uvu/assert';
import { hostId } from '../../test/sim/scenario.ts';
import { suite } from '../../test/support/suite.ts';
import type { HaFence, HaProof } from '../contract/ha.ts';
import { cannotWrite, proofOf } from './proofs.ts';

const test = suite('proofs that a lost host can write nothing');
const [h1, h2, h3] = [hostId(1), hostId(2), hostId(3)];
const volume = (...replicaSets: (typeof h1)[][]) => ({ name: 'data', replicaSets });
const fence: HaFence = { v: 1, id: 'f1', host: h1, phase: 'fencing', why: 'silent' };
const proof = (by: typeof h1, kind: HaProof['kind'], id = 'f1'): HaProof => ({
  v: 1,
  fence: id,
  by,
  kind,
  says: `${kind}.`,
});

test('two of three bricks refuse it: its own is no quorum', () => {
  assert.ok(cannotWrite(volume([h1, h2, h3]), new Set([h2, h3])));
  assert.not.ok(cannotWrite(volume([h1, h2, h3]), new Set([h2])));
});

test('each replica set counts by itself', () => {
  const h4 = hostId(4);
  assert.not.ok(cannotWrite(volume([h1, h2, h3], [h1, h2, h4]), new Set([h2, h3])));
  assert.ok(cannotWrite(volume([h1, h2, h3], [h1, h2, h4]), new Set([h2, h3, h4])));
});

test('a pair, its own single brick and storage outside the cluster prove nothing', () => {
  assert.not.ok(cannotWrite(volume([h1, h2]), new Set([h2])));
  assert.not.ok(cannotWrite(volume([h1]), new Set([h2, h3])));
  assert.not.ok(cannotWrite(volume(), new Set([h2, h3])));
  assert.ok(cannotWrite(volume([h2]), new Set([h2])));
});

test('words of another time, and its own, do not count', () => {
  const volumes = [volume([h1, h2, h3])];
  assert.not.ok(proofOf(fence, [proof(h2, 'storage'), proof(h3, 'storage', 'f0')], volumes).proven);
  assert.not.ok(proofOf(fence, [proof(h2, 'storage'), proof(h1, 'storage')], volumes).proven);
  assert.ok(proofOf(fence, [proof(h2, 'storage'), proof(h3, 'storage')], volumes).proven);
});

test('power off is a proof for all volumes', () => {
  assert.equal(proofOf(fence, [proof(h2, 'power')], [volume()]), { proven: true, says: 'power.' });
});

test.run();
