import { randomUUID } from 'node:crypto';
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as assert from 'uvu/assert';
import { makeTestCa, type TestCa } from '../../test/support/certificates.ts';
import { suite } from '../../test/support/suite.ts';
import { AppError } from '../contract/error.ts';
import type { Join } from '../contract/pairing.ts';
import { silentLog } from '../log/log.ts';
import { type Identity, openIdentity } from './identity.ts';

const test = suite('identity');
let directory = '';
let ca: TestCa;
test.before(async () => {
  ca = await makeTestCa();
});
test.beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'trefoil-identity-'));
});
test.afterEach(() => rm(directory, { recursive: true, force: true }));

const open = (now: () => Date = () => new Date()) => openIdentity({ directory, now, log: silentLog });

async function joinOf(identity: Identity, signer: TestCa = ca, over: { id?: string; role?: string } = {}) {
  const certificate = await signer.sign(await identity.csr(), {
    id: over.id ?? identity.id,
    role: over.role ?? 'host',
  });
  const given: Join = {
    clusterId: randomUUID(),
    clusterName: 'office',
    hostName: 'host1',
    certificate,
    caCertificate: ca.certificate,
  };
  return given;
}

async function codeOf(promise: Promise<unknown>): Promise<string> {
  try {
    await promise;
  } catch (error) {
    if (error instanceof AppError) return error.code;
    throw error;
  }
  return 'no error';
}

test('the identity is made once, kept, and readable by root alone', async () => {
  const first = await open();
  const again = await open();
  assert.is(again.id, first.id);
  assert.is(again.fingerprint(), first.fingerprint());
  assert.is((await stat(join(directory, 'identity.json'))).mode & 0o777, 0o600);
  assert.equal(first.membership(), { state: 'unjoined' });
  assert.is(first.tls().ca, undefined);
});

test('a host that joined is joined after a restart, with its certificates as files for etcd', async () => {
  const identity = await open();
  const given = await joinOf(identity);
  let changes = 0;
  identity.onChange(() => changes++);
  await identity.join(given);
  assert.is(changes, 1);
  const again = await open();
  assert.equal(again.membership(), {
    state: 'joined',
    clusterId: given.clusterId,
    clusterName: 'office',
    hostName: 'host1',
  });
  assert.is(again.tls().certificate, given.certificate);
  assert.is(await readFile(again.pemPaths.ca, 'utf8'), ca.certificate);
  assert.is((await stat(again.pemPaths.key)).mode & 0o777, 0o600);
});

test('joining twice with the same answer is fine, with another it is refused', async () => {
  const identity = await open();
  const given = await joinOf(identity);
  await identity.join(given);
  await identity.join(given);
  assert.is(await codeOf(identity.join({ ...given, clusterId: randomUUID() })), 'host.already-joined');
});

test('after leaving it is the same host without a cluster', async () => {
  const identity = await open();
  const fingerprint = identity.fingerprint();
  await identity.join(await joinOf(identity));
  await identity.leave();
  await identity.leave();
  const again = await open();
  assert.is(again.id, identity.id);
  assert.is(again.fingerprint(), fingerprint);
  assert.equal(again.membership(), { state: 'unjoined' });
  assert.equal(await readdir(join(directory, 'tls')), []);
  await again.join(await joinOf(again));
});

test('certificates that would not work are refused and nothing is written', async () => {
  const identity = await open();
  const good = await joinOf(identity);
  const otherCa = await makeTestCa('another cluster');
  const otherKey = await ca.issue({ id: identity.id, role: 'host' });
  const cases: Record<string, Join> = {
    garbage: { ...good, certificate: 'not a certificate' },
    'another key': { ...good, certificate: otherKey.certificate },
    'another authority': await joinOf(identity, otherCa),
    'not an authority': { ...good, caCertificate: otherKey.certificate },
    'another id': await joinOf(identity, ca, { id: randomUUID() }),
    'another role': await joinOf(identity, ca, { role: 'engine' }),
    'no role': await joinOf(identity, ca, { role: 'root' }),
  };
  for (const [what, given] of Object.entries(cases)) {
    assert.is(await codeOf(identity.join(given)), 'membership.unfit', what);
    assert.equal(identity.membership(), { state: 'unjoined' }, what);
  }
  const late = await open(() => new Date(Date.now() + 100 * 3_600_000));
  assert.is(await codeOf(late.join(good)), 'membership.unfit');
  assert.equal((await readdir(directory)).sort(), ['identity.json']);
});

test('a crash before the rename leaves the host as it was', async () => {
  const identity = await open();
  await writeFile(join(directory, '.membership.json.0011.new'), '{"half');
  const again = await open();
  assert.is(again.id, identity.id);
  assert.equal(again.membership(), { state: 'unjoined' });
});

test('a damaged identity is told, never replaced', async () => {
  await writeFile(join(directory, 'identity.json'), '{"format":1');
  assert.is(await codeOf(open()), 'identity.damaged');
  assert.is(await readFile(join(directory, 'identity.json'), 'utf8'), '{"format":1');
});

test.run();
