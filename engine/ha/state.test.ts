import * as assert from 'uvu/assert';
import { fenceKeys } from '../../node/contract/fence.ts';
import { haKeys } from '../../node/contract/ha.ts';
import { type HostId, hostIdSchema } from '../../node/contract/ids.ts';
import { suite } from '../../test/support/suite.ts';
import type { Volume } from '../contract/storage.ts';
import { isHaByDefault, whyNoHa } from './policy.ts';
import { type HaFacts, haStateOf } from './state.ts';
import { type HaRecord, type Kept, makeView, readRecord } from './view.ts';

const test = suite('HA: what the records say');

const ids = [1, 2, 3].map((digit) => hostIdSchema.parse(`00000000-0000-4000-8000-00000000000${digit}`));
const [h1 = '', h2 = '', h3 = ''] = ids;
const vmId = '10000000-0000-4000-8000-000000000001';
const volume = (layout: string, ...bricks: string[]): Volume => ({
  name: 'data',
  state: 'healthy',
  summary: '',
  layout,
  forVms: true,
  sizeMiB: 1,
  freeMiB: 1,
  healPending: 0,
  splitBrain: 0,
  bricks: bricks.map((host) => ({ host, path: '/b', online: true, missingFrom: [] })),
  checkedAt: '2026-01-01T00:00:00.000Z',
});
const facts = (parts: Partial<HaFacts> = {}): HaFacts => ({
  current: true,
  reason: '',
  hosts: ids.map((id, index) => ({ id, name: `host${index + 1}`, runsVms: true, freeMiB: 8000 })),
  volumes: [volume('replica-3', 'host1', 'host2', 'host3')],
  ...parts,
});
const report = (host: string, parts: object = {}) => ({
  host,
  instance: 'i',
  silent: [],
  vms: [],
  freeMemoryMiB: 4000,
  ...parts,
});
const deviceId = '20000000-0000-4000-8000-000000000001';
const device = (host: string, parts: object = {}) => ({
  [fenceKeys.device(deviceId)]: {
    id: deviceId,
    host,
    agent: 'fence_ipmilan',
    options: { ip: '10.0.0.5' },
    secrets: { names: [], copies: {} },
    order: 0,
    generation: 1,
    ...parts,
  },
});
const heard = (state: 'on' | 'failed', generation = 1) => ({
  [fenceKeys.health(deviceId)]: {
    device: deviceId,
    generation,
    by: h2,
    at: '2026-01-01T00:00:00Z',
    state,
    says: 'Nothing answers.',
  },
});
const leader = { [haKeys.leader]: { host: h2, instance: 'i' } };
const reports = Object.fromEntries(ids.map((id) => [haKeys.report(id), report(id)]));
const view = (records: Record<string, unknown>) =>
  makeView(
    Object.entries(records).flatMap(([key, value]): [string, Kept<HaRecord>][] => {
      const record = readRecord(key, typeof value === 'string' ? value : JSON.stringify(value));
      return record === undefined ? [] : [[key, { value: record, revision: 1 }]];
    }),
  );
const state = (records: Record<string, unknown>, parts: Partial<HaFacts> = {}) =>
  haStateOf(view(records), facts(parts));
const first = (records: Record<string, unknown>, parts: Partial<HaFacts> = {}) =>
  state(records, parts).hosts[0];

test('agents that report and one that leads: armed', () => {
  const { armed, why, leader: led, hosts } = state({ ...leader, ...reports });
  assert.is(armed, true);
  assert.is(why, 'Lost hosts are acted upon; host2 leads.');
  assert.is(led?.name, 'host2');
  assert.equal(
    hosts.map((host) => `${host.name} ${host.state} ${host.leads}`),
    ['host1 online false', 'host2 online true', 'host3 online false'],
  );
});

test('not armed: no agents, no leader, too few hosts, or a store that does not answer', () => {
  assert.is(state({}).why, 'The hosts of this cluster have no HA yet.');
  assert.is(state(reports).why, 'No host leads HA now.');
  assert.match(
    state({ ...leader, ...reports }, { hosts: facts().hosts.slice(0, 2) }).why,
    'needs three hosts',
  );
  const away = state({ ...leader, ...reports }, { current: false, reason: 'It does not answer.' });
  assert.equal([away.armed, away.why, away.hosts[0]?.state], [false, 'It does not answer.', 'unknown']);
});

test('from suspect to returning, each with its reason', () => {
  const fence = (phase: string, parts: object = {}) => ({
    ...leader,
    ...reports,
    [haKeys.fence(h1)]: { id: 'f', host: h1, phase, why: 'most hosts have not heard it', ...parts },
  });
  const { [haKeys.report(h1)]: _, ...others } = reports;
  assert.equal(
    [first(others)?.state, first(others)?.why],
    ['suspect', 'Its HA agent has not reported for some seconds.'],
  );
  const silent = { ...reports, [haKeys.report(h2)]: report(h2, { silent: [h1] }) };
  assert.is(first(silent)?.why, '1 of 3 hosts have not heard it for some seconds.');
  assert.is(first(fence('fencing'))?.canConfirmOff, true);
  assert.match(first(fence('fencing'))?.why ?? '', 'Most hosts have not heard it; it is waited for a proof');
  assert.match(
    first(fence('fenced', { proof: 'host2 refuses it.' }))?.why ?? '',
    'It can write nothing: host2 refuses it.',
  );
  assert.is(first(fence('lifting'))?.state, 'returning');
  assert.is(
    first({ ...reports, [haKeys.report(h1)]: report(h1, { maintenance: true }) })?.state,
    'maintenance',
  );
});

test('proofs that are there: storage by its layout, watchdog and device by their records', () => {
  assert.equal(first(reports)?.proofs, { storage: true, device: false, watchdog: false });
  assert.is(first(reports, { volumes: [volume('single', 'host1')] })?.proofs.storage, false);
  assert.is(first(reports, { volumes: [volume('single', 'host2')] })?.proofs.storage, true);
  assert.is(first(reports, { volumes: [] })?.proofs.storage, false);
  const more = {
    ...reports,
    [haKeys.watchdog(h1)]: { host: h1, instance: 'i', timeoutMs: 20_000 },
    ...device(h1),
  };
  assert.equal(first(more)?.proofs, { storage: true, device: true, watchdog: true });
});

test('which proofs remain is said in plain sentences, and what it costs that one is missing', () => {
  const says = (records: object, parts: Partial<HaFacts> = {}) =>
    first({ ...reports, ...records }, parts)?.proofsSay;
  const watchdog = { [haKeys.watchdog(h1)]: { host: h1, instance: 'i', timeoutMs: 20_000 } };
  const single = { volumes: [volume('single', 'host1')] };
  assert.is(
    says({ ...watchdog, ...device(h1) }),
    'Should it be lost, the others keep it off the storage, its fence device switches it off, or its watchdog resets it.',
  );
  assert.is(
    says({}),
    'Should it be lost, the others keep it off the storage. It has no watchdog: if that fails, its VMs stay down until a person confirms that it is off.',
  );
  assert.match(says(device(h1)) ?? '', 'It has no watchdog: if both fail');
  assert.is(
    says({}, single),
    'Should it be lost, nothing proves by itself that it is off: its VMs stay down until a person confirms it. A watchdog or a fence device would.',
  );
  const failed = { ...device(h1), ...heard('failed') };
  assert.match(says(failed) ?? '', 'keep it off the storage. Its fence device does not answer. It has no');
  assert.match(says(failed, single) ?? '', 'nothing proves by itself');
  const second = fenceKeys.device('20000000-0000-4000-8000-000000000002');
  const more = (order: number) => ({
    ...failed,
    [second]: { ...Object.values(device(h1))[0], id: second.slice(-36), order },
  });
  assert.match(
    says(more(0)) ?? '',
    /off the storage\. 1 of its 2 fence devices does not answer\./,
    'both must say off',
  );
  assert.match(says(more(1)) ?? '', 'or fence devices switch it off.');
});

test('what was heard of a device before it was changed says nothing', () => {
  const sight = (generation: number) =>
    first({ ...reports, ...device(h1), ...heard('on', generation) })?.fenceDevices[0];
  assert.equal([sight(1)?.state, sight(1)?.says], ['on', 'It answers host2: the power is on.']);
  assert.equal([sight(0)?.state, sight(0)?.since], ['unknown', undefined]);
});

test('hosts that lack a device’s password are named, but not the one that it powers', () => {
  const copy = { key: 'a'.repeat(64), ephemeral: 'ZQ==', nonce: 'ZQ==', sealed: 'ZQ==' };
  const secrets = { names: ['password'], copies: { [h2]: copy } };
  const lacking = (keys: Array<[HostId, string]>) =>
    first({ ...reports, ...device(h1, { secrets }) }, { recipientKeys: new Map(keys) })
      ?.fenceDevices[0]?.lacking.map(({ name }) => name)
      .join();
  assert.is(lacking([]), 'host3');
  assert.is(
    lacking(ids.slice(1, 2).map((id) => [id, 'b'.repeat(64)])),
    'host2,host3',
    'it has another key now',
  );
});

test('a VM, who has it and why; what the others have free is what admission counts', () => {
  const vm = {
    id: vmId,
    name: 'Web.01',
    generation: 3,
    wanted: 'running',
    priority: 500,
    memoryMiB: 5000,
    volumes: [],
  };
  const assignment = { vm: vmId, host: h1, epoch: 4, state: 'given', generation: 3, why: 'host3 is lost' };
  const { vms, admission } = state({
    ...reports,
    [haKeys.vm(vmId)]: vm,
    [haKeys.assignment(vmId)]: assignment,
  });
  assert.equal(vms, [
    {
      id: vmId,
      name: 'Web.01',
      wanted: 'running',
      priority: 500,
      host: { id: h1, name: 'host1' },
      epoch: 4,
      state: 'given',
      why: 'Host3 is lost.',
    },
  ]);
  assert.match(admission.why, 'If host1 is lost, Web.01 would stay down');
});

test('a record that cannot be read is named with its key; one under a wrong key speaks for nobody', () => {
  const { unreadable, hosts } = state({
    ...reports,
    [haKeys.fence(h3)]: { id: 'f', host: h1, phase: 'fenced', why: 'x' },
    [haKeys.watchdog(h1)]: 'no json',
    [haKeys.proof('f', h1, 'storage')]: { v: 2 },
    [`${haKeys.prefix}something-new/x`]: { v: 9 },
  });
  assert.is(hosts[0]?.state, 'online');
  assert.equal(
    unreadable.map(({ reason }) => reason),
    [
      `It speaks of ${haKeys.fence(h1)}.`,
      'It is of a newer version (2); this engine knows 1.',
      'It is no JSON.',
    ],
  );
});

test('HA is on by itself where each disk is on three hosts, and impossible without a majority', () => {
  assert.is(isHaByDefault(volume('replica-3', 'host1', 'host2', 'host3')), true);
  assert.is(isHaByDefault(volume('replica-2-arbiter', 'host1', 'host2', 'host3')), true);
  assert.is(isHaByDefault(volume('single', 'host1')), false);
  assert.is(isHaByDefault(volume('replica-3', 'host1', 'host1', 'host3')), false);
  assert.is(isHaByDefault(volume('replica-3')), false);
  assert.match(whyNoHa(true, 1) ?? '', 'only one host');
  assert.match(whyNoHa(true, 2) ?? '', 'needs three hosts');
  assert.match(whyNoHa(false, 3) ?? '', 'no HA yet');
  assert.is(whyNoHa(true, 3), undefined);
});

test.run();
