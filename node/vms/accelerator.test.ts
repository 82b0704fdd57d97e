import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as assert from 'uvu/assert';
import { suite } from '../../test/support/suite.ts';
import { silentLog } from '../log/log.ts';
import { makeAccelerator } from './accelerator.ts';

const test = suite('the accelerator');
const folder = mkdtempSync(join(tmpdir(), 'trefoil-kvm-'));
test.after(() => rmSync(folder, { recursive: true, force: true }));

const world = (name: string, bootId: string, hasDevice: boolean, boots: boolean) => {
  let tries = 0;
  const ask = makeAccelerator({
    log: silentLog,
    cachePath: join(folder, name),
    bootId: async () => bootId,
    hasDevice: async () => hasDevice,
    tryBoot: async () => {
      tries++;
      return boots;
    },
  });
  return { ask, tries: () => tries };
};

test('is KVM when a guest boots with it, tried once for many who ask', async () => {
  const { ask, tries } = world('one', 'boot1', true, true);
  assert.equal(await Promise.all([ask(), ask(), ask()]), ['kvm', 'kvm', 'kvm']);
  assert.is(tries(), 1);
});

test('is emulation when the device opens and guests hang on it', async () => {
  assert.is(await world('two', 'boot1', true, false).ask(), 'tcg');
});

test('is emulation without the device, and nothing is tried', async () => {
  const { ask, tries } = world('three', 'boot1', false, true);
  assert.is(await ask(), 'tcg');
  assert.is(tries(), 0);
});

test('is remembered for this boot only, and a damaged memory is no answer', async () => {
  const again = world('one', 'boot1', true, false);
  assert.is(await again.ask(), 'kvm');
  assert.is(again.tries(), 0);
  assert.is(await world('one', 'boot2', true, false).ask(), 'tcg');
  writeFileSync(join(folder, 'one'), '{"bootId":"boot2","accel');
  assert.is(await world('one', 'boot2', true, true).ask(), 'kvm');
});

test.run();
