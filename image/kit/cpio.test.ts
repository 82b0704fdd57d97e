import * as assert from 'uvu/assert';
import { suite } from '../../test/support/suite.ts';
import { cpio } from './cpio.ts';

const test = suite('initramfs archive');

/** Reads an archive back as the kernel does. */
function entriesOf(archive: Buffer): { path: string; mode: number; content: string }[] {
  const found = [];
  let at = 0;
  for (;;) {
    assert.is(archive.subarray(at, at + 6).toString(), '070701');
    const number = (index: number) =>
      Number.parseInt(archive.subarray(at + 6 + index * 8, at + 14 + index * 8).toString(), 16);
    const [mode, size, nameSize] = [number(1), number(6), number(11)];
    const path = archive.subarray(at + 110, at + 110 + nameSize - 1).toString();
    const from = Math.ceil((at + 110 + nameSize) / 4) * 4;
    if (path === 'TRAILER!!!') return found;
    found.push({ path, mode, content: archive.subarray(from, from + size).toString() });
    at = Math.ceil((from + size) / 4) * 4;
  }
}

test('holds files, links and the folders they are in', () => {
  const archive = cpio([
    { path: 'bin/tool', type: 'file', mode: 0o755, content: 'hello' },
    { path: 'bin/alias', type: 'link', target: 'tool' },
  ]);
  assert.equal(entriesOf(archive), [
    { path: 'bin', mode: 0o040755, content: '' },
    { path: 'bin/tool', mode: 0o100755, content: 'hello' },
    { path: 'bin/alias', mode: 0o120777, content: 'tool' },
  ]);
});

test('gives equal bytes for equal entries', () => {
  const once = () => cpio([{ path: 'a/b/c', type: 'file', content: 'x' }]);
  assert.equal(once(), once());
});

test.run();
