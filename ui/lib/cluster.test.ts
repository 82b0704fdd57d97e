import * as assert from 'uvu/assert';
import { makeEvent, makeHost, makeImage, makeJob, makeVm, uuid } from '../../test/e2e/support/samples.ts';
import { suite } from '../../test/support/suite.ts';
import { applyMessages, emptyCluster, endedJobs, mergeEvents } from './cluster.ts';

const test = suite('cluster');
const two = { ...emptyCluster, vms: [makeVm(), makeVm({ id: uuid(9), name: 'db' })], hosts: [makeHost()] };

test('a message replaces one thing and leaves the rest as it was', () => {
  const after = applyMessages(two, [{ kind: 'vm', vm: makeVm({ state: 'running' }) }]);
  assert.equal(
    after.vms.map((vm) => [vm.name, vm.state]),
    [
      ['web01', 'running'],
      ['db', 'off'],
    ],
  );
  assert.is(after.hosts, two.hosts);
  assert.is(after.vms[1], two.vms[1]);
});

test('things come and go', () => {
  const after = applyMessages(two, [
    { kind: 'vm-gone', id: uuid(9) },
    { kind: 'vm', vm: makeVm({ id: uuid(10), name: 'new' }) },
  ]);
  assert.equal(
    after.vms.map((vm) => vm.name),
    ['web01', 'new'],
  );
});

test('an image that another page uploaded comes, and goes when it is deleted there', () => {
  const image = makeImage();
  const shown = applyMessages(two, [{ kind: 'image', image }]);
  assert.equal(shown.images, [image]);
  assert.equal(applyMessages(shown, [{ kind: 'image-gone', id: image.id }]).images, []);
});

test('in a batch the last word counts', () => {
  const after = applyMessages(two, [
    { kind: 'vm', vm: makeVm({ state: 'starting' }) },
    { kind: 'vm', vm: makeVm({ state: 'running' }) },
  ]);
  assert.is(after.vms[0]?.state, 'running');
});

test('jobs are newest first', () => {
  const old = makeJob({ id: uuid(1), createdAt: '2026-11-22T09:00:00.000Z' });
  const fresh = makeJob({ id: uuid(2), createdAt: '2026-11-22T11:00:00.000Z' });
  const after = applyMessages({ ...emptyCluster, jobs: [old] }, [{ kind: 'job', job: fresh }]);
  assert.equal(
    after.jobs.map((job) => job.id),
    [fresh.id, old.id],
  );
});

test('tells which jobs have just ended, each once', () => {
  const running = [makeJob()];
  const done = [makeJob({ state: 'done', progress: 1 })];
  assert.is(endedJobs(running, done).length, 1);
  assert.is(endedJobs(done, done).length, 0);
  assert.is(endedJobs([], done).length, 0);
});

test('events meet by id, newest first, and the list stays bounded', () => {
  const merged = mergeEvents(
    [makeEvent({ id: 2 }), makeEvent({ id: 1 })],
    [makeEvent({ id: 3 }), makeEvent({ id: 2 })],
  );
  assert.equal(
    merged.map((event) => event.id),
    [3, 2, 1],
  );
  assert.is(mergeEvents(merged, [], 2).length, 2);
});

test.run();
