import * as assert from 'uvu/assert';
import { type Image, imageSchema } from '../../engine/contract/storage.ts';
import { uuid } from '../../test/e2e/support/samples.ts';
import { suite } from '../../test/support/suite.ts';
import { presetOf, readVmForm, type VmForm } from './vm-form.ts';

const test = suite('vm form');
const form: VmForm = {
  name: 'web01',
  description: '',
  cpus: '2',
  memoryGiB: '4',
  diskGiB: '20',
  imageId: '',
  volume: 'data',
  network: 'mgmt',
  start: true,
  ha: 'auto',
  priority: 'normal',
  hostName: '',
  userData: '',
};
const image: Image = imageSchema.parse({
  id: uuid(7),
  name: 'Debian',
  volume: 'data',
  format: 'qcow2',
  sizeMiB: 2048,
  createdAt: '2026-11-22T10:00:00.000Z',
});
const problems = (given: Partial<VmForm>, with_?: Image) => {
  const read = readVmForm({ ...form, ...given }, with_, new Set(['mail']));
  return read.ok ? {} : read.problems;
};

test('makes the request', () => {
  const read = readVmForm({ ...form, hostName: 'web01' }, image, new Set());
  assert.ok(read.ok);
  if (read.ok)
    assert.equal(read.request, {
      name: 'web01',
      description: '',
      cpus: 2,
      memoryMiB: 4096,
      diskMiB: 20_480,
      volume: 'data',
      network: 'mgmt',
      imageId: image.id,
      cloudInit: { hostName: 'web01' },
      start: true,
      ha: { priority: 'normal' },
    });
});

test('fractions are fine, with a point or a comma', () => {
  const read = readVmForm({ ...form, memoryGiB: '0,5', diskGiB: '0.25' }, undefined, new Set());
  assert.ok(read.ok && read.request.memoryMiB === 512 && read.request.diskMiB === 256);
});

test('lists every problem at once, each at its field', () => {
  const found = problems({ name: '', cpus: '0', memoryGiB: 'x', diskGiB: '' });
  assert.equal(Object.keys(found).sort(), ['cpus', 'diskGiB', 'memoryGiB', 'name']);
  assert.is(found.name, 'Give it a name.');
});

test('a taken name, a bad name and a disk smaller than its image', () => {
  assert.match(problems({ name: 'Mail' }).name ?? '', /already/);
  assert.match(problems({ name: '-x' }).name ?? '', /letters/i);
  assert.match(problems({ diskGiB: '1' }, image).diskGiB ?? '', /At least 2 GiB/);
});

test('knows a preset when it sees one', () => {
  assert.is(presetOf(form)?.name, 'Medium');
  assert.is(presetOf({ cpus: '3', memoryGiB: '4' }), undefined);
});

test('high availability is told only when it was chosen; its priority always', () => {
  const ha = (given: Partial<VmForm>) => {
    const read = readVmForm({ ...form, ...given }, image, new Set());
    return read.ok ? read.request.ha : undefined;
  };
  assert.equal(ha({ ha: 'on', priority: 'high' }), { enabled: true, priority: 'high' });
  assert.equal(ha({ ha: 'off' }), { enabled: false, priority: 'normal' });
  assert.equal(ha({ priority: 'nonsense' }), { priority: 'normal' });
});

test.run();
