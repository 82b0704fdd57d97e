import * as assert from 'uvu/assert';
import { suite } from '../../test/support/suite.ts';
import { guessImage, isQcow2 } from './image-file.ts';

const test = suite('image file');

test('takes the format and a name from the file', () => {
  assert.equal(guessImage('debian-13_genericcloud.qcow2'), {
    ok: true,
    format: 'qcow2',
    name: 'debian-13 genericcloud',
  });
  assert.equal(guessImage('disk.img'), { ok: true, format: 'raw', name: 'disk' });
});

test('says what to do with what cannot be used', () => {
  for (const name of ['disk.qcow2.xz', 'appliance.ova', 'disk.vmdk', 'notes', 'setup.exe']) {
    const guess = guessImage(name);
    assert.is(guess.ok, false, name);
    if (!guess.ok) assert.ok(guess.remedy.length > 10);
  }
});

test('knows qcow2 by its magic number', () => {
  assert.ok(isQcow2(new Uint8Array([0x51, 0x46, 0x49, 0xfb, 0, 0])));
  assert.not.ok(isQcow2(new Uint8Array([0, 0])));
});

test.run();
