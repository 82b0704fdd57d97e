import * as assert from 'uvu/assert';
import { hostIdSchema, vmIdSchema } from '../../node/contract/ids.ts';
import { suite } from '../../test/support/suite.ts';
import type { Volume } from '../contract/storage.ts';
import type { Candidate } from '../scheduler/decide.ts';
import { type PlanFacts, type PlanVm, planOf } from './plan.ts';

const test = suite('planning the maintenance of a host');

const hostId = (number: number) => hostIdSchema.parse(`0000000${number}-0000-4000-8000-000000000000`);
const vmId = (number: number) => vmIdSchema.parse(`a000000${number}-0000-4000-8000-000000000000`);
const numbers = [1, 2, 3];

const candidate = (number: number, freeMiB = 8_192): Candidate => ({
  id: hostId(number),
  name: `host${number}`,
  online: true,
  reason: '',
  threads: 8,
  cpuBusyPercent: 0,
  memoryTotalMiB: 16_384,
  memoryAvailableMiB: freeMiB,
  committedMiB: 0,
  comingMiB: 0,
  vmCount: 0,
  usableModels: [],
  networks: new Set(['mgmt']),
  volumes: new Set(['data']),
});
const vm = (number: number, change: Partial<PlanVm> = {}, memoryMiB = 1_024): PlanVm => ({
  id: vmId(number),
  name: `vm${number}`,
  state: 'running',
  needs: { cpus: 1, memoryMiB, cpuModel: 'host', networks: ['mgmt'], volumes: ['data'] },
  allowedHosts: undefined,
  isEngine: false,
  ...change,
});
const volume = (change: Partial<Volume> = {}): Volume => ({
  name: 'data',
  state: 'healthy',
  summary: '',
  layout: 'replica-3',
  forVms: true,
  sizeMiB: 1,
  freeMiB: 1,
  healPending: 0,
  splitBrain: 0,
  bricks: numbers.map((number) => ({ host: `host${number}`, path: '/b', online: true, missingFrom: [] })),
  checkedAt: '2026-01-01T00:00:00.000Z',
  ...change,
});
const facts = (change: Partial<PlanFacts> = {}): PlanFacts => ({
  host: { id: hostId(1), name: 'host1' },
  storeIsAway: undefined,
  hosts: numbers.map((number) => ({
    id: hostId(number),
    name: `host${number}`,
    online: true,
    reason: '',
    isFenced: false,
  })),
  maintenance: new Set(),
  etcd: numbers.map((number) => ({ hostName: `host${number}`, member: true, healthy: true })),
  volumes: [volume()],
  candidates: numbers.map((number) => candidate(number)),
  vms: [vm(1)],
  strays: [],
  ...change,
});
const against = (change: Partial<PlanFacts>) => planOf(facts(change)).against;

test('a host that can be spared has nothing against it, and each VM a place', () => {
  const { moves, against } = planOf(facts({ vms: [vm(1), vm(2)] }));
  assert.equal(against, []);
  assert.equal(
    moves.map(({ name }) => name),
    ['vm1', 'vm2'],
  );
  assert.ok(moves.every(({ to }) => to !== undefined && to.name !== 'host1'));
});

test('the engine’s own VM goes last', () => {
  const { moves } = planOf(facts({ vms: [vm(1, { isEngine: true }, 4_096), vm(2)] }));
  assert.equal(
    moves.map(({ name }) => name),
    ['vm2', 'vm1'],
  );
});

test('room that is promised to one VM is not promised to another', () => {
  const { moves, against } = planOf(
    facts({
      candidates: [candidate(1), candidate(2, 4_096), candidate(3, 1_024)],
      vms: [vm(1, {}, 2_048), vm(2, {}, 2_048)],
    }),
  );
  assert.equal(
    moves.map(({ to }) => to?.name),
    ['host2', undefined],
  );
  assert.is(against.length, 1);
  assert.match(against[0] ?? '', /vm2 fits on no other host. host2: It has .* free/);
});

test('a VM goes only where HA may run it', () => {
  const { moves } = planOf(facts({ vms: [vm(1, { allowedHosts: [hostId(1), hostId(3)] })] }));
  assert.is(moves[0]?.to?.name, 'host3');
  assert.match(against({ vms: [vm(1, { allowedHosts: [hostId(1)] })] })[0] ?? '', /HA may not run it there/);
});

test('a paused VM, and one whose needs nobody told, cannot be moved', () => {
  assert.match(against({ vms: [vm(1, { state: 'paused' })] })[0] ?? '', /vm1 is paused/);
  assert.match(against({ vms: [vm(1, { needs: undefined, isEngine: true })] })[0] ?? '', /does not say/);
});

test('with another host in maintenance no majority and no quorum of copies would be left', () => {
  const reasons = against({ maintenance: new Set([hostId(2)]) });
  assert.is(reasons.length, 2);
  assert.match(reasons[0] ?? '', /only 1 of 3 members of the cluster’s store would be left \(host2/);
  assert.match(reasons[1] ?? '', /the volume data could not be written/);
});

test('a host that is away counts as one that is lost', () => {
  const hosts = facts().hosts.map((host) => (host.name === 'host3' ? { ...host, online: false } : host));
  const etcd = facts().etcd.slice(0, 2);
  assert.is(against({ hosts, etcd }).length, 2);
});

test('in a cluster of five a second host may be in maintenance', () => {
  const hosts = [1, 2, 3, 4, 5].map((number) => ({
    id: hostId(number),
    name: `host${number}`,
    online: true,
    reason: '',
    isFenced: false,
  }));
  const etcd = hosts.map(({ name }) => ({ hostName: name, member: true, healthy: true }));
  assert.equal(against({ hosts, etcd, maintenance: new Set([hostId(5)]) }), []);
});

test('a heal that is not over, a brick that is down, and a host that is cut off speak against it', () => {
  assert.match(against({ volumes: [volume({ healPending: 12 })] })[0] ?? '', /still healing: 12 files/);
  const bricks = volume().bricks.map((brick) => ({ ...brick, online: brick.host !== 'host2' }));
  assert.match(against({ volumes: [volume({ bricks })] })[0] ?? '', /too few of its copies/);
  const hosts = facts().hosts.map((host) => ({ ...host, isFenced: host.name === 'host2' }));
  assert.match(against({ hosts })[0] ?? '', /HA is at work on host2/);
});

test('a volume that has no brick there does not matter', () => {
  const bricks = volume().bricks.map((brick) => ({ ...brick, host: 'host9' }));
  assert.equal(against({ volumes: [volume({ bricks, healPending: 3 })] }), []);
});

test('everything that speaks against it is told at once', () => {
  const reasons = against({
    maintenance: new Set([hostId(1)]),
    storeIsAway: 'The store does not answer.',
    strays: ['old'],
    vms: [vm(1, { state: 'paused' })],
  });
  assert.is(reasons.length, 4);
});

test('the only host cannot be spared', () => {
  const reasons = against({ hosts: facts().hosts.slice(0, 1), candidates: [candidate(1)], vms: [] });
  assert.equal(reasons, ['host1 is the only host.']);
});

test.run();
