/**
 * Packets: u32 length (itself included), then a header of six u32, then the payload. By example, the first packet
 * of every connection, the call AUTH_LIST (66) with serial 1 and no arguments:
 *   0000001c 20008086 00000001 00000042 00000000 00000001 00000000
 *   length   program  version  proc     type     serial   status
 */
import { GarbageError } from './xdr.ts';

export const packetType = {
  call: 0,
  reply: 1,
  /** an event: the daemon speaks unasked, serial 0; also keepalive */
  message: 2,
  stream: 3,
  callWithFds: 4,
  replyWithFds: 5,
  streamHole: 6,
} as const;
export const packetStatus = { ok: 0, error: 1, continue: 2 } as const;

export const headerBytes = 28;
/** VIR_NET_MESSAGE_MAX of current daemons; older ones send at most half of it. */
export const maxPacketBytes = 32 * 1024 * 1024;

export type Header = {
  program: number;
  version: number;
  procedure: number;
  type: number;
  serial: number;
  status: number;
};
export type Packet = { header: Header; payload: Buffer };

/** Fills the first 28 bytes of `packet`, whose rest is the payload. */
export function writeHeader(packet: Buffer, header: Header): Buffer {
  packet.writeUInt32BE(packet.length, 0);
  packet.writeUInt32BE(header.program, 4);
  packet.writeUInt32BE(header.version, 8);
  packet.writeInt32BE(header.procedure, 12);
  packet.writeUInt32BE(header.type, 16);
  packet.writeUInt32BE(header.serial, 20);
  packet.writeUInt32BE(header.status, 24);
  return packet;
}

export function makePacket(header: Header, payload: Uint8Array = new Uint8Array(0)): Buffer {
  const packet = Buffer.allocUnsafe(headerBytes + payload.length);
  packet.set(payload, headerBytes);
  return writeHeader(packet, header);
}

function readPacket(bytes: Buffer): Packet {
  const header = {
    program: bytes.readUInt32BE(4),
    version: bytes.readUInt32BE(8),
    procedure: bytes.readInt32BE(12),
    type: bytes.readUInt32BE(16),
    serial: bytes.readUInt32BE(20),
    status: bytes.readUInt32BE(24),
  };
  if (header.type > packetType.streamHole) throw new GarbageError(`packet type ${header.type}`);
  if (header.status > packetStatus.continue) throw new GarbageError(`packet status ${header.status}`);
  return { header, payload: bytes.subarray(headerBytes) };
}

/** Cuts what arrives, in whatever pieces, into packets. Holds at most one unfinished packet. */
export class PacketSplitter {
  readonly #max: number;
  #waiting: Buffer[] = [];
  #waitingBytes = 0;
  /** bytes that must be there before it is worth looking again */
  #needed = 4;

  constructor(max = maxPacketBytes) {
    this.#max = max;
  }

  /**
   * Gives the packets that `chunk` completes; must be read to its end. Throws GarbageError on a length that cannot be:
   * what came before it has been given by then.
   */
  *push(chunk: Uint8Array): Generator<Packet> {
    const incoming = Buffer.isBuffer(chunk)
      ? chunk
      : Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength);
    this.#waiting.push(incoming);
    this.#waitingBytes += incoming.length;
    // A long packet is joined once, when it is complete, not once for each piece.
    if (this.#waitingBytes < this.#needed) return;
    let rest = this.#waiting.length === 1 ? incoming : Buffer.concat(this.#waiting, this.#waitingBytes);
    for (;;) {
      this.#needed = 4;
      if (rest.length >= 4) {
        const length = rest.readUInt32BE(0);
        if (length < headerBytes || length > this.#max) throw new GarbageError(`a packet of ${length} bytes`);
        this.#needed = length;
      }
      if (rest.length < this.#needed) break;
      const packet = rest.subarray(0, this.#needed);
      rest = rest.subarray(this.#needed);
      yield readPacket(packet);
    }
    this.#waiting = rest.length === 0 ? [] : [rest];
    this.#waitingBytes = rest.length;
  }
}
