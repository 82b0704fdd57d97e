import * as assert from 'uvu/assert';
import { haKeys } from '../../node/contract/ha.ts';
import { hostIdSchema } from '../../node/contract/ids.ts';
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
    [`${haKeys.prefix}fence-devices/bmc1`]: { host: h1, agent: 'fence_ipmilan' },
  };
  assert.equal(first(more)?.proofs, { storage: true, device: true, watchdog: true });
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
