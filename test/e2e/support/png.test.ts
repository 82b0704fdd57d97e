import { inflateSync } from 'node:zlib';
import * as assert from 'uvu/assert';
import { suite } from '../../support/suite.ts';
import { encodePng } from './png.ts';

const test = suite('png');

test('each row says by what filter it was made smallest', () => {
  const red = [200, 0, 0, 255];
  const png = encodePng(new Uint8Array([...red, ...red, ...red, ...red]), 2, 2);
  assert.is(png.readUInt32BE(16), 2);
  const start = png.indexOf('IDAT') + 4;
  const rows = inflateSync(png.subarray(start, start + png.readUInt32BE(start - 8)));
  assert.equal([...rows], [1, 200, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0]);
});

test.run();
