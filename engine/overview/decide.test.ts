import * as assert from 'uvu/assert';
import { hostIdSchema } from '../../node/contract/ids.ts';
import { suite } from '../../test/support/suite.ts';
import type { Host } from '../contract/hosts.ts';
import type { Volume } from '../contract/storage.ts';
import { type Facts, overviewOf } from './decide.ts';

const test = suite('overview: is everything fine, can I lose a host?');

const host = (digit: number, parts: Partial<Host> = {}): Host => ({
  id: hostIdSchema.parse(`00000000-0000-4000-8000-00000000000${digit}`),
  name: `host${digit}`,
  address: `10.77.0.1${digit}`,
  storageAddress: `10.77.1.1${digit}`,
  state: 'online',
  reason: '',
  version: '0.1.0',
  cpu: { model: '', threads: 8, busyPercent: 10, accelerator: 'kvm' },
  memory: { totalMiB: 16_000, availableMiB: 12_000 },
  machine: '',
  vmCount: 0,
  runsEngine: false,
  ...parts,
});
const volume = (parts: Partial<Volume> = {}): Volume => ({
  name: 'data',
  state: 'healthy',
  summary: 'All copies are there and equal.',
  layout: 'replica-3',
  forVms: true,
  sizeMiB: 1000,
  freeMiB: 400,
  healPending: 0,
  splitBrain: 0,
  bricks: [],
  checkedAt: '2026-01-01T00:00:00.000Z',
  ...parts,
});
const vm = (name: string, hostDigit: number, memoryMiB: number): Facts['vms'][number] => ({
  id: name,
  name,
  state: 'running',
  reason: '',
  hostId: host(hostDigit).id,
  isHa: false,
  memoryMiB,
});
const facts = (parts: Partial<Facts> = {}): Facts => ({
  hosts: [host(1), host(2), host(3)],
  volumes: [volume()],
  vms: [],
  etcd: ['host1', 'host2', 'host3'].map((hostName) => ({ hostName, member: true, healthy: true })),
  ha: {
    armed: false,
    why: 'No host leads HA now.',
    admission: { answer: 'unknown', why: '', stayDown: [] },
    hosts: [],
    unreadable: [],
  },
  strays: [],
  twice: [],
  ...parts,
});
const why = (parts: Partial<Facts>) => {
  const { answer, why: reason } = overviewOf(facts(parts)).canLoseAHost;
  return `${answer}: ${reason}`;
};

test('three hosts, all well: fine, and one can be lost', () => {
  const overview = overviewOf(facts());
  assert.is(overview.state, 'fine');
  assert.is(overview.headline, 'Everything is fine.');
  assert.is(overview.canLoseAHost.answer, 'yes');
  assert.equal(overview.cpu, { threads: 24, busyPercent: 10 });
  assert.equal(overview.storage, { totalMiB: 1000, usedMiB: 600 });
});

test('one host alone can never be lost', () => {
  assert.is(why({ hosts: [host(1)] }), 'no: There is only one host.');
});

test('with one host missing no other may be lost, and that is trouble', () => {
  const hosts = [host(1), host(2, { state: 'unreachable', reason: 'host2 does not answer.' }), host(3)];
  assert.is(why({ hosts }), 'no: host2 is already missing.');
  const overview = overviewOf(facts({ hosts }));
  assert.is(overview.state, 'trouble');
  assert.is(overview.headline, 'host2 cannot be reached.');
});

test('the store needs a majority after the loss', () => {
  const members = (count: number) => facts().etcd.map((each, index) => ({ ...each, member: index < count }));
  assert.is(why({ etcd: members(1) }), 'no: Only host1 keeps the cluster’s store (etcd).');
  assert.match(why({ etcd: members(2) }), 'losing one leaves no majority');
  const sick = facts().etcd.map((each, index) => ({ ...each, healthy: index !== 1 }));
  assert.match(why({ etcd: sick }), 'on host2 is not healthy');
});

test('data needs another whole copy', () => {
  assert.is(why({ volumes: [volume({ layout: 'single' })] }), 'no: The volume data has only one copy.');
  assert.match(
    why({ volumes: [volume({ state: 'healing', summary: '3 files are being healed.', healPending: 3 })] }),
    '3 files are being healed.',
  );
});

test('VMs of the lost host need memory on the others', () => {
  assert.match(why({ vms: [vm('big', 1, 13_000)] }), 'If host1 is lost');
  assert.match(why({ vms: [vm('a', 1, 7_000), vm('b', 1, 7_000)] }), 'yes');
});

test('with HA at work its own answer counts, and VMs without HA are named', () => {
  const yes = { answer: 'yes' as const, why: 'Any one host may be lost.', stayDown: [] };
  const ha = { ...facts().ha, armed: true, why: '', admission: yes };
  const kept = { ...vm('web01', 1, 1000), isHa: true };
  assert.match(why({ ha, vms: [kept] }), /^yes: .* its HA VMs start on the others by themselves\.$/);
  assert.match(why({ ha, vms: [kept, vm('old', 1, 13_000)] }), 'One VM runs without HA');
  const no = { answer: 'no' as const, why: 'If host1 is lost, web01 would stay down.', stayDown: [] };
  assert.is(why({ ha: { ...ha, admission: no } }), 'no: If host1 is lost, web01 would stay down.');
  assert.match(why({ vms: [kept] }), 'They do not start there by themselves: No host leads HA now.');
});

test('while too little is known the answer is unknown, not no', () => {
  assert.match(why({ etcd: [] }), 'unknown');
  assert.match(why({ etcd: facts().etcd.slice(0, 1) }), 'unknown');
  assert.match(why({ volumes: [] }), 'unknown');
  assert.match(why({ hosts: [host(1), host(2, { state: 'connecting' }), host(3)] }), 'unknown');
});

test('errors come before warnings; the headline tells the first and counts the rest', () => {
  const overview = overviewOf(
    facts({
      volumes: [volume({ state: 'degraded', summary: 'A copy is missing.' })],
      vms: [{ ...vm('web01', 1, 100), state: 'crashed', reason: 'out of memory' }],
      twice: [{ id: 'x', name: 'db', hostNames: ['host1', 'host2'] }],
    }),
  );
  assert.equal(
    overview.problems.map(({ code }) => code),
    ['vm.runs-twice', 'volume.degraded', 'vm.crashed'],
  );
  assert.is(
    overview.headline,
    'db is reported running on host1 and host2. And 2 more things need attention.',
  );
});

test.run();
