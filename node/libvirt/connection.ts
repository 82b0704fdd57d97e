/**
 * The protocol without I/O: bytes in, facts out. No socket, no timer, no promise, so that every order and every cut of
 * what arrives can be tested.
 *
 * Ground rules:
 * - each call has a serial; answers come in any order and are matched by it;
 * - a call that its caller gave up stays known until its answer came: that answer is late, not garbage;
 * - anything that cannot be (unknown serial, wrong procedure, short or long payload) is garbage. After garbage nothing
 *   is believed any more: there is no way to find the next packet's start, so the owner must close the connection.
 *
 * A stream's life: its call is answered, then STREAM packets flow under the same serial. CONTINUE carries bytes, an
 * empty CONTINUE is the end of what is read, OK closes (and is confirmed by OK), ERROR aborts. The daemon answers and
 * streams from two threads, so the first bytes may overtake the answer: they are held back until it is there.
 */
import { type RemoteError, remoteError } from './errors.ts';
import { type DaemonEvent, readEvent } from './events.ts';
import {
  type Header,
  headerBytes,
  makePacket,
  maxPacketBytes,
  type Packet,
  PacketSplitter,
  packetStatus,
  packetType,
  writeHeader,
} from './framing.ts';
import { type Procedure, program, programVersion } from './procedures/shapes.ts';
import { type Codec, GarbageError, UnsendableError, XdrReader, XdrWriter } from './xdr.ts';

export type ConnectionEvent =
  | { kind: 'answer'; serial: number; value: unknown }
  | { kind: 'refusal'; serial: number; error: RemoteError; procedure: string }
  /** an answer, or a stream's bytes, for which nobody waits any more */
  | { kind: 'late'; serial: number; procedure: string }
  | { kind: 'event'; event: DaemonEvent }
  | { kind: 'unknown-event'; program: number; procedure: number; bytes: number }
  /** to be sent as it is: the answer to a ping, or the abort of a stream nobody wants */
  | { kind: 'send'; bytes: Buffer }
  | { kind: 'pong' }
  | { kind: 'stream-data'; serial: number; data: Buffer }
  | { kind: 'stream-end'; serial: number }
  | { kind: 'stream-finished'; serial: number }
  | { kind: 'stream-failed'; serial: number; error: RemoteError; procedure: string }
  | { kind: 'garbage'; cause: GarbageError };

type Phase = 'waiting' | 'forgotten' | 'streaming' | 'closing';
type Call = {
  phase: Phase;
  procedure: Procedure<unknown, unknown>;
  /** what its stream brought before its answer */
  early: Packet[];
};
/** The daemon reads 256 KiB at a time; more than a few of these before the answer is no race any more. */
const maxEarlyPackets = 64;

const keepAlive = { ping: 1, pong: 2 } as const;
const keepAlivePacket = (procedure: number): Buffer =>
  makePacket({
    program: program.keepAlive,
    version: programVersion,
    procedure,
    type: packetType.message,
    serial: 0,
    status: packetStatus.ok,
  });
/** Asks the peer for a sign of life; only after it said that it supports keepalive. */
export const pingPacket = (): Buffer => keepAlivePacket(keepAlive.ping);

function readAll<T>(codec: Codec<T>, payload: Uint8Array): T {
  const from = new XdrReader(payload);
  const value = codec.read(from);
  from.end();
  return value;
}

export class Connection {
  readonly #calls = new Map<number, Call>();
  readonly #splitter: PacketSplitter;
  readonly #maxBytes: number;
  #lastSerial = 0;
  #broken = false;

  constructor(maxBytes = maxPacketBytes) {
    this.#maxBytes = maxBytes;
    this.#splitter = new PacketSplitter(maxBytes);
  }

  /** Calls that still wait for an answer, forgotten ones included: the daemon works on them. */
  get inFlight(): number {
    return this.#calls.size;
  }

  /** The packet that asks, and the serial under which the answer will come. */
  call<A, R>(procedure: Procedure<A, R>, args: A): { serial: number; bytes: Buffer } {
    const to = new XdrWriter(headerBytes);
    procedure.args.write(to, args);
    const packet = to.finish();
    if (packet.length > this.#maxBytes)
      throw new UnsendableError(`a call of ${packet.length} bytes; at most ${this.#maxBytes}`);
    const serial = this.#nextSerial();
    this.#calls.set(serial, { phase: 'waiting', procedure, early: [] });
    return { serial, bytes: writeHeader(packet, this.#header(procedure, serial, packetType.call, 'ok')) };
  }

  /** The caller does not wait any more. */
  forget(serial: number): void {
    const call = this.#calls.get(serial);
    if (call?.phase === 'waiting') call.phase = 'forgotten';
  }

  /** One piece of a stream, at most `maxStreamChunk` bytes. */
  streamData(serial: number, data: Uint8Array): Buffer {
    return this.#streamPacket(serial, 'continue', data);
  }
  /** All was sent (or read); the peer confirms with `stream-finished`. */
  streamFinish(serial: number): Buffer {
    return this.#closeStream(serial, 'ok');
  }
  streamAbort(serial: number): Buffer {
    return this.#closeStream(serial, 'error');
  }

  feed(chunk: Uint8Array): ConnectionEvent[] {
    const events: ConnectionEvent[] = [];
    if (this.#broken) return events;
    try {
      for (const packet of this.#splitter.push(chunk)) this.#take(packet, events);
    } catch (error) {
      if (!(error instanceof GarbageError)) throw error;
      this.#broken = true;
      events.push({ kind: 'garbage', cause: error });
    }
    return events;
  }

  #nextSerial(): number {
    do {
      // 0 is for events; after 2^32 - 1 it begins anew.
      this.#lastSerial = this.#lastSerial >= 0xffff_ffff ? 1 : this.#lastSerial + 1;
    } while (this.#calls.has(this.#lastSerial));
    return this.#lastSerial;
  }

  #header(
    procedure: Procedure<unknown, unknown>,
    serial: number,
    type: number,
    status: keyof typeof packetStatus,
  ): Header {
    return {
      program: procedure.program,
      version: programVersion,
      procedure: procedure.number,
      type,
      serial,
      status: packetStatus[status],
    };
  }

  #streamPacket(serial: number, status: keyof typeof packetStatus, data?: Uint8Array): Buffer {
    const call = this.#calls.get(serial);
    if (call?.phase !== 'streaming') throw new UnsendableError(`stream ${serial} is not open`);
    return makePacket(this.#header(call.procedure, serial, packetType.stream, status), data);
  }

  #closeStream(serial: number, status: 'ok' | 'error'): Buffer {
    const packet = this.#streamPacket(serial, status);
    const call = this.#calls.get(serial);
    if (call !== undefined) call.phase = 'closing';
    return packet;
  }

  #take(packet: Packet, events: ConnectionEvent[]): void {
    const { header, payload } = packet;
    if (header.version !== programVersion)
      throw new GarbageError(`version ${header.version} of program ${header.program}`);
    switch (header.type) {
      case packetType.reply:
        this.#takeReply(header, payload, events);
        break;
      case packetType.message:
        this.#takeMessage(header, payload, events);
        break;
      case packetType.stream:
        this.#takeStream(packet, events);
        break;
      default:
        throw new GarbageError(`a packet of type ${header.type}, which only a client sends`);
    }
  }

  #callOf(header: Header): Call {
    const call = this.#calls.get(header.serial);
    if (call === undefined) throw new GarbageError(`serial ${header.serial}, which nobody asked`);
    if (call.procedure.program !== header.program || call.procedure.number !== header.procedure)
      throw new GarbageError(`procedure ${header.procedure} in answer to ${call.procedure.name}`);
    return call;
  }

  #takeReply(header: Header, payload: Buffer, events: ConnectionEvent[]): void {
    const call = this.#callOf(header);
    const { serial } = header;
    const procedure = call.procedure.name;
    if (call.phase !== 'waiting' && call.phase !== 'forgotten')
      throw new GarbageError(`a second answer to ${procedure}`);
    const wanted = call.phase === 'waiting';
    if (header.status === packetStatus.error) {
      const error = readAll(remoteError, payload);
      this.#calls.delete(serial);
      events.push(
        wanted ? { kind: 'refusal', serial, error, procedure } : { kind: 'late', serial, procedure },
      );
      return;
    }
    if (header.status !== packetStatus.ok)
      throw new GarbageError(`status ${header.status} in answer to ${procedure}`);
    const value = readAll(call.procedure.ret, payload);
    if (call.procedure.stream) call.phase = 'streaming';
    else this.#calls.delete(serial);
    if (wanted) events.push({ kind: 'answer', serial, value });
    else {
      events.push({ kind: 'late', serial, procedure });
      if (call.procedure.stream) events.push({ kind: 'send', bytes: this.streamAbort(serial) });
    }
    for (const packet of call.early.splice(0)) this.#takeStream(packet, events);
  }

  #takeMessage(header: Header, payload: Buffer, events: ConnectionEvent[]): void {
    if (header.program === program.keepAlive) {
      if (header.procedure === keepAlive.ping)
        events.push({ kind: 'send', bytes: keepAlivePacket(keepAlive.pong) });
      else if (header.procedure === keepAlive.pong) events.push({ kind: 'pong' });
      else throw new GarbageError(`keepalive procedure ${header.procedure}`);
      return;
    }
    const event = header.program === program.remote ? readEvent(header.procedure, payload) : undefined;
    if (event !== undefined) events.push({ kind: 'event', event });
    else
      events.push({
        kind: 'unknown-event',
        program: header.program,
        procedure: header.procedure,
        bytes: payload.length,
      });
  }

  #takeStream(packet: Packet, events: ConnectionEvent[]): void {
    const { header, payload } = packet;
    const call = this.#callOf(header);
    const { serial } = header;
    const procedure = call.procedure.name;
    if (!call.procedure.stream) throw new GarbageError(`stream bytes for ${procedure}`);
    if (call.phase === 'waiting' || call.phase === 'forgotten') {
      if (call.early.push(packet) > maxEarlyPackets)
        throw new GarbageError(`too many stream bytes before the answer to ${procedure}`);
      return;
    }
    switch (header.status) {
      case packetStatus.continue:
        // Bytes that were on their way when we closed are nobody's.
        if (call.phase === 'closing') events.push({ kind: 'late', serial, procedure });
        else if (payload.length === 0) events.push({ kind: 'stream-end', serial });
        else events.push({ kind: 'stream-data', serial, data: payload });
        return;
      case packetStatus.ok:
        this.#calls.delete(serial);
        events.push({ kind: 'stream-finished', serial });
        return;
      default: {
        const error = readAll(remoteError, payload);
        this.#calls.delete(serial);
        events.push({ kind: 'stream-failed', serial, error, procedure });
      }
    }
  }
}
