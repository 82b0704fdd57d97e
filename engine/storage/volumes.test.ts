import * as assert from 'uvu/assert';
import type { VolumeStatus } from '../../node/contract/storage.ts';
import { suite } from '../../test/support/suite.ts';
import { mergeVolume, type VolumeSight } from './volumes.ts';

const test = suite('volumes, from what all hosts see');

const addresses = ['10.77.1.11', '10.77.1.12', '10.77.1.13'];
const nameOf = (address: string) => `host${addresses.indexOf(address) + 1}`;
const status = (
  parts: Partial<VolumeStatus> = {},
  disconnectedFrom: string[] = [],
  offline: string[] = [],
): VolumeStatus => ({
  name: 'data',
  state: 'healthy',
  summary: 'All copies are there and equal.',
  layout: 'replica-3',
  mounted: true,
  bricks: addresses.map((address) => ({
    address,
    path: '/bricks/data',
    online: !offline.includes(address),
    connectedHere: !disconnectedFrom.includes(address),
    healPending: 0,
  })),
  sizeMiB: 1000,
  freeMiB: 600,
  healPending: 0,
  splitBrain: 0,
  checkedAt: '2026-01-01T00:00:00.000Z',
  ...parts,
});
const sights = (...statuses: VolumeStatus[]): VolumeSight[] =>
  statuses.map((each, index) => ({
    hostName: `host${index + 1}`,
    storageAddress: addresses[index] ?? '',
    status: each,
  }));
const merge = (...statuses: VolumeStatus[]) => mergeVolume('data', true, sights(...statuses), nameOf);

test('all hosts see it healthy: it is', () => {
  const volume = merge(status(), status(), status());
  assert.is(volume?.state, 'healthy');
  assert.equal(
    volume?.bricks.map(({ host, missingFrom }) => [host, missingFrom]),
    [
      ['host1', []],
      ['host2', []],
      ['host3', []],
    ],
  );
});

test('one mount that is cut from one brick makes it degraded, although every brick runs', () => {
  const volume = merge(status(), status({}, ['10.77.1.13']), status());
  assert.is(volume?.state, 'degraded');
  assert.is(volume?.summary, 'host2 is not connected to the copy on host3.');
  assert.equal(volume?.bricks[2]?.missingFrom, ['host2']);
});

test('what the worst-placed host sees counts, with its words', () => {
  const volume = merge(
    status(),
    status({ state: 'healing', summary: '12 files are being healed.', healPending: 12 }),
    status(),
  );
  assert.is(volume?.state, 'healing');
  assert.is(volume?.summary, '12 files are being healed.');
  assert.is(volume?.healPending, 12);
});

test('a volume that no host tells of is not shown', () => {
  assert.is(mergeVolume('data', true, [], nameOf), undefined);
});

test('sizes come from where it is mounted', () => {
  const volume = merge(status({ mounted: false, sizeMiB: 0, freeMiB: 0 }), status());
  assert.is(volume?.sizeMiB, 1000);
});

test.run();
