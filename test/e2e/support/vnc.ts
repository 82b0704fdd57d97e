/**
 * The smallest VNC server that a console can be tried with (RFB 3.8, no password, raw pixels): its screen changes with each
 * update, and it remembers the keys that were pressed. By example, from the server:
 *   "RFB 003.008\n"  01 01  00000000  width height pixel-format "name"  then for each request  00 00 0001 x y w h 00000000 pixels
 */
import type { Duplex } from 'node:stream';

export type Screen = { keys: number[]; drop(): void };
const [width, height] = [320, 200];
/** how long each message of a client is, by its first byte; undefined: more bytes are needed to tell */
const lengths: Record<number, (bytes: Buffer) => number | undefined> = {
  0: () => 20,
  2: (bytes) => (bytes.length < 4 ? undefined : 4 + 4 * bytes.readUInt16BE(2)),
  3: () => 10,
  4: () => 8,
  5: () => 6,
  6: (bytes) => (bytes.length < 8 ? undefined : 8 + Math.abs(bytes.readInt32BE(4))),
};

function serverInit(): Buffer {
  const name = Buffer.from('screen');
  const head = Buffer.alloc(24);
  head.writeUInt16BE(width, 0);
  head.writeUInt16BE(height, 2);
  // 32 bits, depth 24, little endian, true colour, each 255, shifts 16 8 0
  head.set([32, 24, 0, 1, 0, 255, 0, 255, 0, 255, 16, 8, 0], 4);
  head.writeUInt32BE(name.length, 20);
  return Buffer.concat([head, name]);
}

function frame(number: number): Buffer {
  const head = Buffer.alloc(16);
  head.writeUInt16BE(1, 2);
  head.writeUInt16BE(width, 8);
  head.writeUInt16BE(height, 10);
  const pixels = Buffer.alloc(width * height * 4, 0);
  const bar = (number * 8) % width;
  for (let y = 60; y < 140; y += 1)
    for (let x = bar; x < Math.min(width, bar + 40); x += 1)
      pixels.writeUInt32LE(0x45c592, (y * width + x) * 4);
  return Buffer.concat([head, pixels]);
}

export function serveScreen(stream: Duplex): Screen {
  const keys: number[] = [];
  let received = Buffer.alloc(0);
  let stage: 'version' | 'security' | 'init' | 'messages' = 'version';
  let frames = 0;
  const take = (count: number): Buffer | undefined => {
    if (received.length < count) return undefined;
    const taken = received.subarray(0, count);
    received = received.subarray(count);
    return taken;
  };
  const message = (): boolean => {
    const length = received.length === 0 ? undefined : lengths[received[0] ?? 0]?.(received);
    const bytes = length === undefined ? undefined : take(length);
    if (bytes === undefined) return false;
    if (bytes[0] === 4 && bytes[1] === 1) keys.push(bytes.readUInt32BE(4));
    if (bytes[0] === 3) {
      frames += 1;
      const pixels = frame(frames);
      setTimeout(() => stream.writable && stream.write(pixels), 100);
    }
    return true;
  };
  const step = (): boolean => {
    switch (stage) {
      case 'version':
        if (take(12) === undefined) return false;
        stream.write(Buffer.from([1, 1]));
        stage = 'security';
        return true;
      case 'security':
        if (take(1) === undefined) return false;
        stream.write(Buffer.alloc(4));
        stage = 'init';
        return true;
      case 'init':
        if (take(1) === undefined) return false;
        stream.write(serverInit());
        stage = 'messages';
        return true;
      case 'messages':
        return message();
    }
  };
  stream.on('data', (bytes: Buffer) => {
    received = Buffer.concat([received, bytes]);
    while (step());
  });
  stream.on('error', () => stream.destroy());
  stream.write('RFB 003.008\n');
  return { keys, drop: () => stream.destroy() };
}
