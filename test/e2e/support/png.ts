/** RGBA pixels as a PNG, each row filtered the way that leaves least: far smaller than what a browser writes. */
import { crc32, deflateSync } from 'node:zlib';

const chunk = (type: string, data: Uint8Array): Buffer => {
  const body = Buffer.concat([Buffer.from(type, 'latin1'), data]);
  const [head, tail] = [Buffer.alloc(4), Buffer.alloc(4)];
  head.writeUInt32BE(data.length);
  tail.writeUInt32BE(crc32(body));
  return Buffer.concat([head, body, tail]);
};

/** PNG's filters 0 to 2: as it is, less its left neighbour, less the one above. */
const filters: readonly ((now: number, left: number, up: number) => number)[] = [
  (now) => now,
  (now, left) => now - left,
  (now, _left, up) => now - up,
];
const size = (byte: number) => (byte < 128 ? byte : 256 - byte);

export function encodePng(pixels: Uint8Array, width: number, height: number): Buffer {
  const rows: Buffer[] = [];
  let above = Buffer.alloc(width * 3);
  for (let y = 0; y < height; y += 1) {
    const row = Buffer.alloc(width * 3);
    for (let x = 0; x < width; x += 1) {
      const at = (y * width + x) * 4;
      row.set(pixels.subarray(at, at + 3), x * 3);
    }
    const tries = filters.map((filter, kind) => {
      const bytes = row.map((now, at) => filter(now, row[at - 3] ?? 0, above[at] ?? 0) & 255);
      return {
        bytes: Buffer.concat([Buffer.from([kind]), bytes]),
        sum: bytes.reduce((sum, byte) => sum + size(byte), 0),
      };
    });
    const best = tries.reduce((a, b) => (b.sum < a.sum ? b : a));
    rows.push(best.bytes);
    above = row;
  }
  const header = Buffer.alloc(13);
  header.writeUInt32BE(width, 0);
  header.writeUInt32BE(height, 4);
  // 8 bits a channel, red green blue
  header.set([8, 2, 0, 0, 0], 8);
  return Buffer.concat([
    Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]),
    chunk('IHDR', header),
    chunk('IDAT', deflateSync(Buffer.concat(rows), { level: 9, memLevel: 9 })),
    chunk('IEND', Buffer.alloc(0)),
  ]);
}
