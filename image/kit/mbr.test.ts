import * as assert from 'uvu/assert';
import { suite } from '../../test/support/suite.ts';
import { alignBytes, layOut, masterBootRecord, partitionType } from './mbr.ts';

const test = suite('boot disk layout');

test('puts partitions one behind the other on whole mebibytes', () => {
  const { partitions, diskBytes } = layOut([
    { bytes: 1, type: partitionType.fat16, active: true },
    { bytes: 3 * alignBytes, type: partitionType.linux },
  ]);
  assert.equal(
    partitions.map(({ startBytes, bytes }) => [startBytes / alignBytes, bytes / alignBytes]),
    [
      [1, 1],
      [2, 3],
    ],
  );
  assert.is(diskBytes, 5 * alignBytes);
});

test('writes a record that a BIOS starts', () => {
  const { partitions } = layOut([{ bytes: alignBytes, type: partitionType.fat16, active: true }]);
  const record = masterBootRecord(Buffer.from([0xfa]), 0x01020304, partitions);
  assert.is(record.length, 512);
  assert.is(record[0], 0xfa);
  assert.is(record.readUInt32LE(440), 0x01020304);
  assert.is(record[446], 0x80);
  assert.is(record[450], 0x0e);
  assert.is(record.readUInt32LE(454), 2048);
  assert.is(record.readUInt32LE(458), 2048);
  assert.is(record.readUInt16LE(510), 0xaa55);
});

test('refuses boot code that would overwrite the table', () => {
  assert.throws(() => masterBootRecord(Buffer.alloc(441), 1, []), /440/);
});

test.run();
