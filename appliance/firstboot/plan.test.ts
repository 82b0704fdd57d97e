import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import * as assert from 'uvu/assert';
import { engineConfigSchema } from '../../engine/contract/config.ts';
import { suite } from '../../test/support/suite.ts';
import { decide, formatApplied, ownerIds, parseApplied, stateFiles } from './plan.ts';
import { sampleSeed } from './seed.fixture.ts';

const test = suite('what a seed turns into');

const content = (name: string) =>
  stateFiles(sampleSeed()).find((file) => file.path.endsWith(`/${name}`))?.content ?? '';
const a = 'a'.repeat(64);
const b = 'b'.repeat(64);

test('secrets are readable by the engine only', () => {
  const secret = stateFiles(sampleSeed()).filter((file) => /KEY|scrypt/.test(file.content));
  assert.equal(secret.map((file) => file.path).sort(), [
    '/var/lib/trefoil-engine/seed.json',
    '/var/lib/trefoil-engine/tls/key.pem',
  ]);
  for (const file of secret) assert.is(file.mode, 0o600);
});

test('what root reads at boot is not written by the engine', () => {
  for (const file of stateFiles(sampleSeed()))
    assert.is(file.owner === 'system', file.path.startsWith('/var/lib/trefoil-appliance/'));
});

test('network, names and time servers', () => {
  assert.is(content('network'), 'address 10.0.2.100/24\ngateway 10.0.2.2\n');
  assert.is(content('hostname'), 'engine\n');
  assert.is(content('resolv.conf'), 'nameserver 10.0.2.3\n');
  assert.match(content('timesyncd.conf'), 'NTP=10.77.0.11\n');
  assert.match(content('hosts'), '10.77.0.11 host1\n');
});

test('an isolated cluster has neither gateway nor name servers', () => {
  const network = { address: '10.0.2.100/24', dns: [], hostName: 'engine' };
  const files = stateFiles(sampleSeed({ network, timeServers: [] }));
  assert.is(files.find((file) => file.path.endsWith('/network'))?.content, 'address 10.0.2.100/24\n');
  assert.is(files.find((file) => file.path.endsWith('/resolv.conf'))?.content, '');
});

test("the engine's configuration is one that the engine reads", () => {
  const config = engineConfigSchema.parse(JSON.parse(content('engine.json')));
  assert.is(config.seedFile, '/var/lib/trefoil-engine/seed.json');
  for (const path of Object.values(config.tls))
    assert.ok(stateFiles(sampleSeed()).some((file) => file.path === path));
});

test('a seed is applied once, and again when a newer one comes', () => {
  assert.is(decide(undefined, a, 1).action, 'apply');
  assert.equal(decide({ sha256: a, generation: 1 }, a, 1), { action: 'keep', why: 'the same' });
  assert.is(decide({ sha256: a, generation: 1 }, b, 2).action, 'apply');
  assert.is(decide({ sha256: a, generation: 1 }, b, 1).action, 'apply');
  assert.equal(decide({ sha256: a, generation: 2 }, b, 1), {
    action: 'keep',
    why: 'an older generation',
  });
});

test('the mark of what was applied is read back; a torn one counts as none', () => {
  const text = formatApplied({ sha256: a, generation: 7 });
  assert.equal(parseApplied(text), { sha256: a, generation: 7 });
  assert.is(parseApplied(text.slice(0, 40)), undefined);
});

test('the ids of owners are those of the image', () => {
  const users = readFileSync(join(import.meta.dirname, '../tree/etc/passwd'), 'utf8');
  assert.match(users, new RegExp(`^trefoil-engine:x:${ownerIds.engine}:${ownerIds.engine}:`, 'm'));
});

test.run();
