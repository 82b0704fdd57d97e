import * as assert from 'uvu/assert';
import { assignment, report, view, vm } from '../../test/sim/cluster.ts';
import { hostId, vmId } from '../../test/sim/scenario.ts';
import { suite } from '../../test/support/suite.ts';
import { place, roomOf } from './place.ts';

const test = suite('where a VM goes');
const [h1, h2, h3] = [hostId(1), hostId(2), hostId(3)];
const room = () =>
  new Map([
    [h1, 4_096],
    [h2, 8_192],
    [h3, 2_048],
  ]);

test('where most is free, and that is less afterwards', () => {
  const free = room();
  assert.equal(place(vm(), undefined, free), { host: h2 });
  assert.is(free.get(h2), 7_168);
});

test('to the preferred host, when it may run there, has room and did not fail there', () => {
  assert.equal(place(vm({ preferredHost: h3 }), undefined, room()), { host: h3 });
  assert.equal(place(vm({ preferredHost: h3, memoryMiB: 3_000 }), undefined, room()), { host: h2 });
  assert.equal(place(vm({ preferredHost: h3, allowedHosts: [h1] }), undefined, room()), { host: h1 });
  assert.equal(place(vm({ preferredHost: h3 }), assignment({ failedOn: [h3] }), room()), { host: h2 });
});

test('no room is taken that a move will need, nor any at a host whose libvirt does not answer', () => {
  const reports = new Map([
    [h1, { value: report(h1, { vms: [{ vm: vmId(1), epoch: 1, state: 'running' }] }), revision: 1 }],
    [h2, { value: report(h2), revision: 2 }],
    [h3, { value: report(h3, { vmsKnown: false }), revision: 3 }],
  ]);
  const assignments = new Map([[vmId(1), { value: assignment({ movingTo: h2 }), revision: 4 }]]);
  assert.equal(
    [...roomOf(view({ reports, assignments }))],
    [
      [h1, 8_192],
      [h2, 7_168],
    ],
  );
});

test('a host whose fence cannot be read gets nothing', () => {
  const unreadable = new Set([`/trefoil/v1/ha/fences/${h2}`]);
  assert.not.ok(roomOf(view({ unreadable })).has(h2));
});

test.run();
