import * as assert from 'uvu/assert';
import { suite } from '../../test/support/suite.ts';
import { type DomainEvent, domainEventKinds, eventIdOf, readEvent, writeEvent } from './events.ts';
import { param } from './typed-params.ts';

const test = suite('libvirt events');

const domain = { name: 'vm1', uuid: '00112233-4455-6677-8899-aabbccddeeff', id: 3 };
const address = { family: 0, node: '10.0.0.1', service: '5900' };
const base = { callbackId: 5, domain };
/** One of each; the record makes the compiler ask for every kind. */
const samples: { [K in DomainEvent['kind']]: Extract<DomainEvent, { kind: K }> } = {
  lifecycle: { kind: 'lifecycle', ...base, event: 5, detail: 1 },
  reboot: { kind: 'reboot', ...base },
  'rtc-change': { kind: 'rtc-change', ...base, offset: -3600n },
  watchdog: { kind: 'watchdog', ...base, action: 1 },
  'io-error': { kind: 'io-error', ...base, source: '/d', alias: 'virtio-disk0', action: 1 },
  graphics: {
    kind: 'graphics',
    ...base,
    phase: 0,
    local: address,
    remote: address,
    authScheme: 'vnc',
    subject: [{ type: 'x509dname', name: 'x' }],
  },
  'io-error-reason': {
    kind: 'io-error-reason',
    ...base,
    source: '/d',
    alias: 'virtio-disk0',
    action: 1,
    reason: 'enospc',
  },
  'control-error': { kind: 'control-error', ...base },
  'block-job': { kind: 'block-job', ...base, path: '/d', type: 2, status: 0 },
  'disk-change': {
    kind: 'disk-change',
    ...base,
    oldSource: undefined,
    newSource: '/new',
    alias: 'a',
    reason: 0,
  },
  'tray-change': { kind: 'tray-change', ...base, alias: 'a', reason: 1 },
  'pm-wakeup': { kind: 'pm-wakeup', ...base, reason: 0 },
  'pm-suspend': { kind: 'pm-suspend', ...base, reason: 0 },
  'balloon-change': { kind: 'balloon-change', ...base, actualKiB: 1024n },
  'pm-suspend-disk': { kind: 'pm-suspend-disk', ...base, reason: 0 },
  'device-removed': { kind: 'device-removed', ...base, alias: 'net0' },
  'block-job-2': { kind: 'block-job-2', ...base, disk: 'vda', type: 2, status: 3 },
  tunable: { kind: 'tunable', ...base, params: [param.ullong('cputune.cpu_shares', 512n)] },
  'agent-lifecycle': { kind: 'agent-lifecycle', ...base, state: 1, reason: 2 },
  'device-added': { kind: 'device-added', ...base, alias: 'net0' },
  'migration-iteration': { kind: 'migration-iteration', ...base, iteration: 3 },
  'job-completed': { kind: 'job-completed', ...base, params: [param.ullong('downtime', 12n)] },
  'device-removal-failed': { kind: 'device-removal-failed', ...base, alias: 'net0' },
  'metadata-change': { kind: 'metadata-change', ...base, type: 2, namespace: 'urn:x' },
  'block-threshold': {
    kind: 'block-threshold',
    ...base,
    device: 'vda',
    path: '/d',
    threshold: 100n,
    excess: 5n,
  },
  'memory-failure': { kind: 'memory-failure', ...base, recipient: 1, action: 2, flags: 1 },
  'memory-device-size': { kind: 'memory-device-size', ...base, alias: 'ua-m', size: 4096n },
  'nic-mac-change': { kind: 'nic-mac-change', ...base, alias: 'net0', oldMac: 'a', newMac: 'b' },
};

for (const kind of domainEventKinds)
  test(`${kind} is understood`, () => {
    const { procedure, payload } = writeEvent(samples[kind]);
    assert.equal(readEvent(procedure, payload), samples[kind]);
  });

test('every id from 0 to 27 is there, and no two kinds share a message', () => {
  assert.equal(
    domainEventKinds.map(eventIdOf),
    Array.from({ length: 28 }, (_, id) => id),
  );
  const procedures = domainEventKinds.map((kind) => writeEvent(samples[kind]).procedure);
  assert.is(new Set(procedures).size, procedures.length);
});

test('a lifecycle event looks like this', () => {
  const { procedure, payload } = writeEvent(samples.lifecycle);
  assert.is(procedure, 318);
  assert.is(
    payload.toString('hex'),
    '0000000500000003766d3100' + '00112233445566778899aabbccddeeff' + '000000030000000500000001',
  );
});

test('the daemon says when it is about to close', () => {
  assert.equal(readEvent(362, Buffer.from('00000002', 'hex')), { kind: 'closing', reason: 2 });
});

test('a message of a newer daemon is not ours to read', () => {
  assert.is(readEvent(9999, Buffer.from('00000002', 'hex')), undefined);
});

test.run();
