import type { Duplex } from 'node:stream';

/**
 * A VM's screen for working on the page: a VNC server (RFB 3.8, no password, raw pixels) that paints the VM's name as
 * colours and a bar that moves twice a second. Message by message, each with its bytes:
 *   "RFB 003.008\n" both ways; 01 01 (one security type: none); client picks 01; 00000000 (ok); client 01 (shared)
 *   then width, height, pixel format, name; then the client asks for updates and gets rectangles
 */
const width = 320;
const height = 200;
const barWidth = 24;

const serverInit = (name: string): Buffer => {
  const head = Buffer.alloc(24);
  head.writeUInt16BE(width, 0);
  head.writeUInt16BE(height, 2);
  // 32 bits a pixel, depth 24, little endian, true colour, 255 each, shifts 16 8 0
  head.set([32, 24, 0, 1, 0, 255, 0, 255, 0, 255, 16, 8, 0, 0, 0, 0], 4);
  head.writeUInt32BE(Buffer.byteLength(name), 20);
  return Buffer.concat([head, Buffer.from(name)]);
};

function frame(name: string, tick: number): Buffer {
  const head = Buffer.alloc(16);
  head.writeUInt16BE(1, 2);
  head.writeUInt16BE(width, 8);
  head.writeUInt16BE(height, 10);
  const hue = [...name].reduce((sum, letter) => sum + letter.charCodeAt(0), 0);
  const background = (((hue * 37) % 96) << 16) | (((hue * 53) % 96) << 8) | (64 + (hue % 64));
  const bar = (tick * 8) % width;
  const pixels = new Uint32Array(width * height).fill(background);
  for (let y = 60; y < 140; y += 1)
    for (let x = 0; x < barWidth; x += 1) pixels[y * width + ((bar + x) % width)] = 0xf0f0f0;
  return Buffer.concat([head, Buffer.from(pixels.buffer)]);
}

/** Lengths of what a client sends after the handshake; undefined: more bytes are needed to tell. */
function messageLength(data: Buffer): number | undefined {
  switch (data[0]) {
    case 0:
      return 20;
    case 2:
      return data.length < 4 ? undefined : 4 + 4 * data.readUInt16BE(2);
    case 3:
      return 10;
    case 4:
      return 8;
    case 5:
      return 6;
    case 6:
      return data.length < 8 ? undefined : 8 + data.readUInt32BE(4);
    default:
      return 1;
  }
}

export function serveScreen(name: string, socket: Duplex, onKey: (keysym: number) => void = () => {}): void {
  let stage: 'version' | 'security' | 'init' | 'running' = 'version';
  let input = Buffer.alloc(0);
  let wanted = false;
  let tick = 0;
  const paint = () => {
    if (!wanted || socket.writableNeedDrain) return;
    wanted = false;
    socket.write(frame(name, tick));
  };
  const timer = setInterval(() => {
    tick += 1;
    paint();
  }, 500);
  const needed = { version: 12, security: 1, init: 1 };

  const step = (): boolean => {
    if (stage !== 'running') {
      if (input.length < needed[stage]) return false;
      input = input.subarray(needed[stage]);
      if (stage === 'version') {
        socket.write(Buffer.from([1, 1]));
        stage = 'security';
      } else if (stage === 'security') {
        socket.write(Buffer.alloc(4));
        stage = 'init';
      } else {
        socket.write(serverInit(name));
        stage = 'running';
      }
      return true;
    }
    const length = input.length === 0 ? undefined : messageLength(input);
    if (length === undefined || input.length < length) return false;
    if (input[0] === 3) {
      const whole = input[1] === 0;
      wanted = true;
      if (whole) paint();
    }
    // A key changes the picture at once, so that one sees that it arrived.
    if (input[0] === 4) {
      tick += 3;
      if (input[1] === 1) onKey(input.readUInt32BE(4));
    }
    input = input.subarray(length);
    return true;
  };

  socket.on('data', (chunk: Buffer) => {
    input = Buffer.concat([input, chunk]);
    while (step());
  });
  socket.on('close', () => clearInterval(timer));
  socket.on('error', () => clearInterval(timer));
  socket.write('RFB 003.008\n');
}
