import { mkdtemp, readdir, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as assert from 'uvu/assert';
import { suite } from '../../test/support/suite.ts';
import { type ApplyEnv, applySeed, readApplied } from './apply.ts';
import { sampleSeed } from './seed.fixture.ts';

const test = suite('applying the seed');
const sha256 = 'c'.repeat(64);
let root = '';

test.beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'trefoil-apply-'));
});
test.afterEach(() => rm(root, { recursive: true }));

/** An environment that dies at the nth change of an owner: once before each file appears, once after each folder. */
function envThatDies(at: number): ApplyEnv & { calls: () => number } {
  let calls = 0;
  return {
    root,
    calls: () => calls,
    setOwner: async () => {
      calls += 1;
      if (calls === at) throw new Error('power cut');
    },
  };
}

async function snapshot(): Promise<Record<string, string>> {
  const found: Record<string, string> = {};
  for (const entry of await readdir(root, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue;
    const path = join(entry.parentPath, entry.name);
    found[path.slice(root.length)] = await readFile(path, 'utf8');
  }
  return found;
}

test('writes all files, secrets for one reader, and the mark', async () => {
  const env = envThatDies(0);
  await applySeed(env, sampleSeed(), sha256);
  assert.equal(await readApplied(env), { sha256, generation: 1 });
  const key = await stat(join(root, 'var/lib/trefoil-engine/tls/key.pem'));
  assert.is(key.mode & 0o777, 0o600);
});

test('killed anywhere and run again, it ends the same; until then the mark is not there', async () => {
  const whole = envThatDies(0);
  await applySeed(whole, sampleSeed(), sha256);
  const wanted = await snapshot();
  for (let at = 1; at <= whole.calls(); at += 1) {
    await rm(root, { recursive: true });
    const died = await applySeed(envThatDies(at), sampleSeed(), sha256).then(
      () => false,
      () => true,
    );
    assert.ok(died);
    assert.is(await readApplied(whole), undefined);
    await applySeed(envThatDies(0), sampleSeed(), sha256);
    assert.equal(await snapshot(), wanted);
  }
});

test('a newer seed replaces what the older wrote', async () => {
  const env = envThatDies(0);
  await applySeed(env, sampleSeed(), sha256);
  const network = { address: '10.0.2.101/24', dns: [], hostName: 'engine2' };
  await applySeed(env, sampleSeed({ generation: 2, network }), 'd'.repeat(64));
  const files = await snapshot();
  assert.is(files['/var/lib/trefoil-appliance/hostname'], 'engine2\n');
  assert.is((await readApplied(env))?.generation, 2);
});

test.run();
