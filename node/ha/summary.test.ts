import * as assert from 'uvu/assert';
import { assignment, observation, report, view, vm } from '../../test/sim/cluster.ts';
import { hostId, vmId } from '../../test/sim/scenario.ts';
import { suite } from '../../test/support/suite.ts';
import { summaryOf } from './summary.ts';

const test = suite('what one host knows of HA, for people');
const kept = <T>(value: T) => ({ value, revision: 1 });
const more = { name: 'host1', contact: 'sure' as const, notes: [], unreadable: new Map<string, string>() };

test('before the store was read there is nothing to tell but that', () => {
  const told = summaryOf(observation({ view: undefined, contactMs: undefined }), {
    ...more,
    contact: undefined,
  });
  assert.equal(
    [told.contact, told.contactAgeMs, told.leader, told.hosts, told.vms],
    ['none', null, null, [], []],
  );
});

test('each host is told with its state, and why', () => {
  const fence = {
    v: 1 as const,
    id: 'f',
    host: hostId(3),
    phase: 'fenced' as const,
    why: 'lost',
    proof: 'its BMC says off',
  };
  const seen = observation({
    view: view({
      fences: new Map([[hostId(3), kept(fence)]]),
      reports: new Map([
        [hostId(1), kept(report(hostId(1), { silent: [hostId(2)] }))],
        [hostId(2), kept(report(hostId(2)))],
      ]),
    }),
  });
  assert.equal(summaryOf(seen, more).hosts, [
    { name: 'host1', state: 'online', why: '' },
    { name: 'host2', state: 'suspect', why: 'not heard by host1' },
    { name: 'host3', state: 'fenced', why: 'its BMC says off' },
  ]);
});

test('a host in maintenance is told as that, also when it is off', () => {
  const seen = observation({
    view: view({
      maintenance: new Set([hostId(2), hostId(3)]),
      reports: new Map([[hostId(2), kept(report(hostId(2), { maintenance: true }))]]),
    }),
  });
  assert.equal(summaryOf(seen, more).hosts.slice(1), [
    { name: 'host2', state: 'maintenance', why: 'it takes no VMs' },
    { name: 'host3', state: 'maintenance', why: 'its agent has no lease with the store: it may be off' },
  ]);
});

test('each VM is told with who has it and what that host says; a report of an earlier epoch says nothing', () => {
  const runs = (epoch: number) => ({ vm: vmId(1), epoch, state: 'running' as const });
  const stateOf = (epoch: number, change = {}) =>
    summaryOf(
      observation({
        view: view({
          assignments: new Map([[vmId(1), kept(assignment({ epoch: 4, ...change }))]]),
          reports: new Map([[hostId(1), kept(report(hostId(1), { vms: [runs(epoch)] }))]]),
        }),
      }),
      more,
    ).vms[0];
  assert.equal(stateOf(4), {
    name: 'web01',
    wanted: 'running',
    state: 'running',
    host: 'host1',
    epoch: 4,
    why: 'it is to run',
  });
  assert.is(stateOf(3)?.state, 'not running');
  assert.is(stateOf(4, { movingTo: hostId(2) })?.state, 'moves to host2');
  assert.is(stateOf(4, { state: 'ended' })?.state, 'shut down');
  const none = observation({ view: view({ assignments: new Map(), vms: new Map([[vmId(1), vm()]]) }) });
  assert.is(summaryOf(none, more).vms[0]?.state, 'waits');
});

test.run();
