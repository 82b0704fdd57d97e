import * as assert from 'uvu/assert';
import { suite } from '../../test/support/suite.ts';
import { fatBytes, fatImage } from './fat.ts';

const test = suite('FAT images');
const file = (name: string, text: string) => ({ name, content: Buffer.from(text) });

/** A reader of its own, as dumb as the format: long names, chains of clusters, sizes. */
function read(image: Buffer): { label: string; files: Record<string, string> } {
  const next = (cluster: number) => {
    const both = image.readUInt16LE(512 + Math.floor((cluster * 3) / 2));
    return cluster % 2 === 0 ? both & 0xfff : both >> 4;
  };
  const found = { label: '', files: {} as Record<string, string> };
  let name = '';
  for (let at = 13 * 512; image[at] !== 0; at += 32) {
    const entry = image.subarray(at, at + 32);
    if (entry[11] === 0x0f) {
      const letters = Buffer.concat([entry.subarray(1, 11), entry.subarray(14, 26), entry.subarray(28)]);
      name = (letters.toString('utf16le').split('\0')[0] ?? '') + name;
      continue;
    }
    if (entry[11] === 0x08) {
      found.label = entry.toString('latin1', 0, 11).trim();
      continue;
    }
    const parts: Buffer[] = [];
    for (let cluster = entry.readUInt16LE(26); cluster >= 2 && cluster < 0xff8; cluster = next(cluster))
      parts.push(image.subarray((45 + cluster - 2) * 512, (45 + cluster - 1) * 512));
    found.files[name] = Buffer.concat(parts).toString('utf8', 0, entry.readUInt32LE(28));
    name = '';
  }
  return found;
}

test('what is put in can be read', () => {
  const files = {
    'meta-data': 'instance-id: a\n',
    'user-data': '#cloud-config\n'.repeat(4_000),
    'network-config': 'ä'.repeat(256),
    empty: '',
  };
  const image = fatImage(
    'cidata',
    Object.entries(files).map(([name, text]) => file(name, text)),
  );
  assert.is(image.length, fatBytes);
  assert.equal(read(image), { label: 'CIDATA', files });
  assert.ok(
    image.subarray(512, 7 * 512).equals(image.subarray(7 * 512, 13 * 512)),
    'both tables are the same',
  );
});

test('the same content is the same image, other content has another serial number', () => {
  const one = fatImage('CIDATA', [file('meta-data', 'a')]);
  const other = fatImage('CIDATA', [file('meta-data', 'b')]);
  assert.ok(one.equals(fatImage('CIDATA', [file('meta-data', 'a')])));
  assert.not.equal(one.readUInt32LE(39), other.readUInt32LE(39));
});

test('what does not fit is refused', () => {
  const all = 2_003 * 512;
  assert.not.throws(() => fatImage('x', [file('a', 'x'.repeat(all))]));
  assert.throws(() => fatImage('x', [file('a', 'x'.repeat(all + 1))]), 'more than fits');
});

test.run();
