import * as assert from 'uvu/assert';
import type { HaAssignment } from '../../node/contract/ha.ts';
import { type HostId, hostIdSchema } from '../../node/contract/ids.ts';
import type { VmState } from '../../node/contract/vms.ts';
import { suite } from '../../test/support/suite.ts';
import { decide, type HaSight, type Observation, type Report } from './decide.ts';
import { vmRecordSchema } from './model.ts';

const test = suite('reconcile: what is wanted against what is reported');

const h1 = hostIdSchema.parse('00000000-0000-4000-8000-000000000001');
const h2 = hostIdSchema.parse('00000000-0000-4000-8000-000000000002');
const record = (parts: Record<string, unknown> = {}) =>
  vmRecordSchema.parse({
    id: '10000000-0000-4000-8000-000000000001',
    name: 'web01',
    description: '',
    lifecycle: 'present',
    power: 'running',
    generation: 3,
    hostId: h1,
    hardware: { cpus: 1, memoryMiB: 512, cpuModel: 'host', disks: [], nics: [] },
    imageId: null,
    imageName: null,
    note: '',
    isEngine: false,
    haEnabled: false,
    haPriority: 'normal',
    createdAt: new Date(0),
    ...parts,
  });
const report = (hostId: HostId, state: VmState, role: 'user' | 'engine' = 'user', reason = ''): Report => ({
  hostId,
  hostName: hostId === h1 ? 'host1' : 'host2',
  status: {
    id: record().id,
    name: 'web01',
    state,
    reason,
    generation: 3,
    power: 'running',
    cpus: 1,
    memoryMiB: 512,
    role,
  },
});
const off = { power: 'off', hostId: null };
const see = (
  wanted: Record<string, unknown> | undefined,
  reports: Report[],
  parts: { assignedIsOnline?: boolean; busy?: boolean } = {},
) =>
  decide({
    record: wanted === undefined ? undefined : record(wanted),
    reports,
    assignedIsOnline: parts.assignedIsOnline ?? true,
    busy: parts.busy ?? false,
  });

test('as it should be: nothing to do', () => {
  assert.equal(see({}, [report(h1, 'running')]), []);
  assert.equal(see(off, []), []);
});

test('its guest has shut down: that is recorded, with the reason', () => {
  assert.equal(see({}, [report(h1, 'off', 'user', 'the guest shut down')]), [
    { kind: 'note-stopped', why: 'the guest shut down' },
  ]);
});

test('its host no longer knows it: recorded as stopped; nothing is started elsewhere', () => {
  assert.equal(see({}, []), [{ kind: 'note-stopped', why: 'its host no longer knows it' }]);
});

test('its host does not answer: nothing is decided, it may be running there', () => {
  assert.equal(see({}, [], { assignedIsOnline: false }), []);
  assert.equal(see({}, [report(h2, 'off')], { assignedIsOnline: false }), []);
});

test('a crash is kept to be looked at', () => {
  assert.equal(see({}, [report(h1, 'crashed')]), []);
});

test('a running VM that was recorded as off is adopted, never stopped', () => {
  assert.equal(see(off, [report(h1, 'running')]), [
    { kind: 'adopt', hostId: h1, why: 'host1 reports it running' },
  ]);
});

test('found on another host: adopted there, and the spec that the old one keeps is forgotten', () => {
  assert.equal(see({}, [report(h1, 'off'), report(h2, 'running')]), [
    { kind: 'adopt', hostId: h2, why: 'it runs on host2 now' },
    { kind: 'forget-on-host', hostId: h1 },
  ]);
});

test('while it moves, both ends report it and nothing is done', () => {
  assert.equal(see({}, [report(h1, 'migrating-out'), report(h2, 'migrating-in')]), []);
  assert.equal(see({}, [report(h1, 'migrating-out'), report(h2, 'running')]), []);
});

test('running on two hosts is flagged and not touched', () => {
  assert.equal(see({}, [report(h1, 'running'), report(h2, 'paused')]), [
    { kind: 'flag-twice', hostNames: ['host1', 'host2'] },
  ]);
});

test('a host keeps the spec of a VM that is off: it forgets it', () => {
  assert.equal(see(off, [report(h1, 'off')]), [{ kind: 'forget-on-host', hostId: h1 }]);
});

test('while a job is at work on it, or it is being created or deleted, hands off', () => {
  assert.equal(see({}, [], { busy: true }), []);
  assert.equal(see({ lifecycle: 'creating', ...off }, [report(h1, 'running')]), []);
  assert.equal(see({ lifecycle: 'deleting', ...off }, [report(h1, 'off')]), []);
});

test('a VM that nobody knows is flagged; the engine’s own is recorded', () => {
  assert.equal(see(undefined, [report(h1, 'running')]), [
    { kind: 'flag-unknown', hostId: h1, hostName: 'host1', name: 'web01' },
  ]);
  const engine = report(h1, 'running', 'engine');
  assert.equal(see(undefined, [engine]), [{ kind: 'record-engine', hostId: h1, status: engine.status }]);
});

test('the engine’s spec stays where formation put it', () => {
  assert.equal(see({ isEngine: true }, [report(h1, 'running', 'engine'), report(h2, 'off', 'engine')]), []);
});

const assignment = (parts: Partial<HaAssignment> = {}): HaAssignment => ({
  v: 1,
  vm: record().id,
  host: h1,
  epoch: 2,
  state: 'given',
  generation: 3,
  failedOn: [],
  why: 'it is to run',
  ...parts,
});
const underHa = (
  wanted: Record<string, unknown>,
  parts: Partial<HaSight>,
  reports: Report[] = [],
  others: Partial<Observation> = {},
) =>
  decide({
    record: record({ haEnabled: true, ...wanted }),
    reports,
    assignedIsOnline: true,
    busy: false,
    ha: {
      current: true,
      wanted: 'running',
      assignment: assignment(),
      hostName: 'host1',
      isDescribed: true,
      fenced: new Set(),
      ...parts,
    },
    ...others,
  });

test('under HA, as it should be: nothing to do, whatever its host reports or does not', () => {
  assert.equal(underHa({}, {}, [report(h1, 'running')]), []);
  assert.equal(underHa({}, {}, [report(h1, 'off')]), []);
  assert.equal(underHa({}, {}, []), []);
  assert.equal(underHa({}, {}, [], { assignedIsOnline: false }), []);
});

test('HA has given it to another host: that is followed, and the old host forgets it', () => {
  const moved = assignment({ host: h2, epoch: 3, why: 'host1 is lost' });
  assert.equal(underHa({}, { assignment: moved, hostName: 'host2' }, [report(h1, 'off')]), [
    { kind: 'follow-ha', hostId: h2, hostName: 'host2', why: 'host1 is lost' },
    { kind: 'forget-on-host', hostId: h1 },
  ]);
  assert.equal(underHa({}, { assignment: moved }, [], { busy: true }), [], 'a job is at work on it');
});

test('its guest has ended it: HA is told first, and it is off once nobody has it', () => {
  const ended = assignment({ state: 'ended', why: 'its guest shut down' });
  assert.equal(underHa({}, { assignment: ended }), [{ kind: 'want-stopped' }]);
  assert.equal(underHa({}, { wanted: 'stopped', assignment: ended }), []);
  assert.equal(underHa({ note: 'Its guest shut down.' }, { wanted: 'stopped', assignment: undefined }), [
    { kind: 'note-stopped', why: 'Its guest shut down.' },
  ]);
});

test('what the store said last decides nothing while it does not answer', () => {
  const moved = assignment({ host: h2 });
  assert.equal(underHa({}, { current: false, assignment: moved, isDescribed: false }), []);
});

test('its description is brought up to date; of the engine’s own VM nothing is written', () => {
  assert.equal(underHa({}, { isDescribed: false }), [{ kind: 'describe' }]);
  const engine = { isEngine: true, haEnabled: false };
  assert.equal(underHa(engine, { isDescribed: false }), []);
  assert.equal(underHa(engine, { assignment: assignment({ state: 'ended' }) }), []);
  assert.equal(underHa(engine, { assignment: assignment({ host: h2 }), hostName: 'host2' }), [
    { kind: 'follow-ha', hostId: h2, hostName: 'host2', why: 'it is to run' },
  ]);
});

test('HA runs what a restored database knows as off, or as none of HA: it is taken as HA says', () => {
  const follow = { kind: 'follow-ha', hostId: h1, hostName: 'host1', why: 'it is to run' };
  assert.equal(underHa(off, {}), [follow]);
  assert.equal(underHa({ haEnabled: false }, {}), [follow]);
});

test('HA was turned off: its records are forgotten, and the host is believed again', () => {
  const left = { wanted: 'stopped' as const, assignment: undefined };
  assert.equal(underHa({ haEnabled: false }, left, [report(h1, 'running')]), [{ kind: 'forget-in-ha' }]);
  assert.equal(underHa({ haEnabled: false, ...off }, left), [{ kind: 'forget-in-ha' }]);
});

test('running on two hosts is flagged under HA too, unless one is kept off the storage', () => {
  const both = [report(h1, 'running'), report(h2, 'running')];
  assert.equal(underHa({}, {}, both), [{ kind: 'flag-twice', hostNames: ['host1', 'host2'] }]);
  assert.equal(underHa({}, { fenced: new Set([h2]) }, both), []);
});

test.run();
