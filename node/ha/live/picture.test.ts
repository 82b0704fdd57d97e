import * as assert from 'uvu/assert';
import { hostId, vmId } from '../../../test/sim/scenario.ts';
import { suite } from '../../../test/support/suite.ts';
import { etcdKeys } from '../../contract/etcd.ts';
import { haKeys } from '../../contract/ha.ts';
import type { KeyValue } from '../../etcd/wire.ts';
import { makePicture } from './picture.ts';

const test = suite('what the store says, as the agent has it');
let revision = 0;
const kv = (key: string, value: unknown): KeyValue => {
  revision += 1;
  const text = typeof value === 'string' ? value : JSON.stringify(value);
  return { key, value: text, modRevision: revision, createRevision: revision, version: 1 };
};
const host = (number: number) =>
  kv(etcdKeys.host(hostId(number)), {
    id: hostId(number),
    name: `host${number}`,
    role: 'full',
    address: `10.77.0.1${number}`,
    storageAddress: `10.77.1.1${number}`,
    etcdMember: true,
    joinedAt: '2026-01-01T00:00:00.000Z',
  });
const brick = (number: number) => ({ address: `10.77.1.1${number}`, path: '/bricks/data/brick' });
const volume = (name: string, layout: string, numbers: number[]) =>
  kv(etcdKeys.volume(name), { name, layout, forVms: true, bricks: numbers.map(brick) });
const leader = kv(haKeys.leader, { v: 1, host: hostId(1), instance: 'a' });

test('nothing is known before the store was read', () => {
  assert.is(makePicture().view(), undefined);
});

test('bricks are counted in threes, each as the host that holds it', () => {
  const picture = makePicture();
  picture.replace([
    ...[1, 2, 3, 4].map(host),
    volume('data', 'replica-3', [1, 2, 3, 2, 3, 4]),
    volume('small', 'single', [1]),
  ]);
  const view = picture.view();
  assert.equal(
    view?.members.map(({ name }) => name),
    ['host1', 'host2', 'host3', 'host4'],
  );
  assert.equal(view?.volumes, [
    {
      name: 'data',
      replicaSets: [
        [hostId(1), hostId(2), hostId(3)],
        [hostId(2), hostId(3), hostId(4)],
      ],
    },
    { name: 'small', replicaSets: [[hostId(1)]] },
  ]);
  assert.equal(picture.peers()[0]?.addresses, ['10.77.0.11', '10.77.1.11']);
});

test('events change one thing; a new snapshot forgets what it does not have', () => {
  const picture = makePicture();
  picture.replace([host(1), host(2), leader]);
  assert.is(picture.view()?.leader?.value.host, hostId(1));
  picture.apply([{ kind: 'delete', key: haKeys.leader, revision: revision + 1 }]);
  assert.is(picture.view()?.leader, undefined);
  assert.is(picture.view()?.members.length, 2);
  picture.replace([host(1)]);
  assert.is(picture.view()?.members.length, 1);
});

test('a record that is damaged, or of a newer version, is told by its key, and the rest goes on', () => {
  const picture = makePicture();
  const damaged = haKeys.assignment(vmId(1));
  const newer = haKeys.fence(hostId(2));
  picture.replace([host(1), leader, kv(damaged, '{not json'), kv(newer, { v: 2, id: 'x' })]);
  assert.equal([...(picture.view()?.unreadable ?? [])].sort(), [damaged, newer].sort());
  assert.ok(picture.unreadable().has(damaged));
  assert.is(picture.view()?.leader?.value.host, hostId(1));
  picture.apply([{ kind: 'delete', key: damaged, revision: revision + 1 }]);
  assert.equal([...(picture.view()?.unreadable ?? [])], [newer]);
});

test.run();
