import * as assert from 'uvu/assert';
import { suite } from '../../test/support/suite.ts';
import { type BrickFolder, isAbandoned, parseAttributes, parseBrickFile } from './abandoned.ts';

const test = suite('abandoned brick folders');

/** As a create that failed on another host leaves it. */
const left: BrickFolder = {
  attributes: ['trusted.glusterfs.volume-id'],
  entries: ['.glusterfs'],
  hiddenEntries: [],
  inVolume: false,
  ageMs: 60_000,
};

test('what a failed create leaves is abandoned', () => {
  assert.ok(isAbandoned(left));
  assert.ok(isAbandoned({ ...left, entries: [] }));
});

const kept: [string, Partial<BrickFolder>][] = [
  ['it was started once', { attributes: [...left.attributes, 'trusted.gfid'] }],
  ['it has no mark', { attributes: [] }],
  ['a volume has it, though it was never started', { inVolume: true }],
  ['there is a file in it', { entries: ['.glusterfs', 'disk.raw'] }],
  ['there is something in its hidden folder', { hiddenEntries: ['indices'] }],
  ['a create may be under way', { ageMs: 2_000 }],
  ['the clock jumped back', { ageMs: -5_000 }],
];
for (const [why, more] of kept)
  test(`kept: ${why}`, () => {
    assert.not(isAbandoned({ ...left, ...more }));
  });

test('what the tools write', () => {
  assert.equal(parseAttributes('# file: /b/data\ntrusted.gfid\ntrusted.glusterfs.volume-id\n\n'), [
    'trusted.gfid',
    'trusted.glusterfs.volume-id',
  ]);
  assert.equal(parseAttributes(''), []);
  assert.equal(
    parseBrickFile('uuid=1\nhostname=10.77.1.11\npath=/b/data\nreal_path=/b/data\nlisten-port=0\n'),
    ['/b/data'],
  );
});

test.run();
