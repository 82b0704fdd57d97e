import * as assert from 'uvu/assert';
import { suite } from '../../../test/support/suite.ts';
import { availableMiB, freeMemory } from './memory.ts';

const test = suite('memory that VMs may take');
const meminfo = (mib: number) => `MemTotal:       32000000 kB\nMemAvailable:   ${mib * 1024} kB\n`;

test('what is available is read, and the host keeps a part for itself', async () => {
  assert.is(availableMiB(meminfo(4096)), 4096);
  const free = freeMemory(async () => meminfo(4096));
  await free.look();
  assert.is(free.freeMiB(), 3328);
});

test('small changes are no news', async () => {
  let now = 4096;
  const free = freeMemory(async () => meminfo(now));
  await free.look();
  const before = free.freeMiB();
  now = 4000;
  await free.look();
  assert.is(free.freeMiB(), before);
  now = 2000;
  await free.look();
  assert.is(free.freeMiB(), 1024);
});

test('a text without it is refused', () => {
  assert.throws(() => availableMiB('MemTotal: 1 kB\n'));
});

test.run();
