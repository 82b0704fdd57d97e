import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { remoteError } from '../../../node/libvirt/errors.ts';
import { type DomainEvent, eventIdOf, writeEvent } from '../../../node/libvirt/events.ts';
import {
  type Header,
  makePacket,
  type Packet,
  PacketSplitter,
  packetStatus,
  packetType,
} from '../../../node/libvirt/framing.ts';
import { program } from '../../../node/libvirt/procedures/shapes.ts';
import { type ProcedureName, procedures } from '../../../node/libvirt/procedures/table.ts';
import { type Codec, XdrReader, XdrWriter } from '../../../node/libvirt/xdr.ts';
import { errorCode, type Fault, type FaultTable, nextFault, remoteErrorOf } from './faults.ts';
import { FakeWorld, Refusal } from './world.ts';

export type FakeLibvirtOptions = {
  world?: FakeWorld;
  faults?: FaultTable;
  /** says that it supports keepalive; and whether it then answers */
  keepAlive?: 'answered' | 'unanswered' | 'unsupported';
  socketPath?: string;
};

type Session = { socket: Socket; registered: Map<number, number> };
const names = Object.keys(procedures) as ProcedureName[];
const byNumber = new Map(
  names.map((name) => [`${procedures[name].program}/${procedures[name].number}`, name]),
);

const encode = <T>(codec: Codec<T>, value: T): Buffer => {
  const to = new XdrWriter();
  codec.write(to, value);
  return to.finish();
};

/**
 * A libvirt daemon on a real unix socket, made from the client's own table of procedures: it decodes arguments and
 * encodes answers with the same codecs, so it tests everything but the table, which only a real daemon can.
 */
export class FakeLibvirt {
  readonly world: FakeWorld;
  readonly faults: FaultTable;
  readonly socketPath: string;
  /** every call that arrived, in order */
  readonly calls: ProcedureName[] = [];
  readonly #options: FakeLibvirtOptions;
  readonly #sessions = new Set<Session>();
  readonly #directory: string;
  readonly #server = createServer((socket) => this.#serve(socket));
  #nextCallback = 0;

  private constructor(options: FakeLibvirtOptions) {
    this.#options = options;
    this.world = options.world ?? new FakeWorld();
    this.faults = options.faults ?? {};
    this.#directory = mkdtempSync(join(tmpdir(), 'trefoil-fake-libvirt-'));
    this.socketPath = options.socketPath ?? join(this.#directory, 'sock');
    this.world.emit = (event) => this.emit(event);
  }

  static async start(options: FakeLibvirtOptions = {}): Promise<FakeLibvirt> {
    const fake = new FakeLibvirt(options);
    await new Promise<void>((resolve) => fake.#server.listen(fake.socketPath, resolve));
    return fake;
  }

  get connections(): number {
    return this.#sessions.size;
  }

  /** Sends an event to everyone who registered for its kind. */
  emit(event: DomainEvent): void {
    for (const session of this.#sessions) {
      const callbackId = session.registered.get(eventIdOf(event.kind));
      if (callbackId === undefined) continue;
      const { procedure, payload } = writeEvent({ ...event, callbackId });
      this.sendMessage(procedure, payload, session);
    }
  }

  sendMessage(procedure: number, payload: Uint8Array, to?: Session): void {
    const { message } = packetType;
    const header = { program: program.remote, version: 1, procedure, type: message, serial: 0, status: 0 };
    for (const session of to === undefined ? this.#sessions : [to])
      session.socket.write(makePacket(header, payload));
  }

  /** As after a crash of the daemon: every connection is gone, the next one is welcome. */
  hangUp(): void {
    for (const session of this.#sessions) session.socket.destroy();
  }

  async stop(): Promise<void> {
    this.hangUp();
    await new Promise<void>((resolve) => this.#server.close(() => resolve()));
    rmSync(this.#directory, { recursive: true, force: true });
  }

  #serve(socket: Socket): void {
    const session: Session = { socket, registered: new Map() };
    this.#sessions.add(session);
    const splitter = new PacketSplitter();
    socket.on('error', () => {});
    socket.on('close', () => this.#sessions.delete(session));
    socket.on('data', (chunk: Buffer) => {
      for (const packet of splitter.push(chunk)) this.#take(session, packet);
    });
  }

  #take(session: Session, { header, payload }: Packet): void {
    if (header.program === program.keepAlive) {
      if (header.procedure === 1 && this.#options.keepAlive !== 'unanswered')
        session.socket.write(makePacket({ ...header, procedure: 2 }));
      return;
    }
    const name = byNumber.get(`${header.program}/${header.procedure}`);
    if (name === undefined || header.type !== packetType.call) {
      session.socket.destroy();
      return;
    }
    this.calls.push(name);
    const fault = nextFault(this.faults, name);
    if (fault?.kind === 'silence') return;
    if (fault?.kind === 'hang-up') session.socket.destroy();
    else if (fault?.kind === 'garbage') session.socket.write(fault.bytes);
    else if (fault?.kind === 'error')
      this.#reply(session, header, 'error', encode(remoteError, remoteErrorOf(fault.error)), undefined);
    else this.#answer(session, header, payload, name, fault);
  }

  #answer(
    session: Session,
    header: Header,
    payload: Buffer,
    name: ProcedureName,
    fault: Fault | undefined,
  ): void {
    const procedure = procedures[name];
    try {
      const value = this.#handle(session, name, new XdrReader(payload));
      const bytes = encode(procedure.ret as Codec<unknown>, value);
      if (fault?.kind === 'hang-up-after') session.socket.destroy();
      else this.#reply(session, header, 'ok', bytes, fault);
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      this.#reply(session, header, 'error', encode(remoteError, error.error), fault);
    }
  }

  #handle(session: Session, name: ProcedureName, from: XdrReader): unknown {
    if (name === 'supportsFeature') {
      const { feature } = procedures.supportsFeature.args.read(from);
      return { supported: feature === 10 ? this.#options.keepAlive !== 'unsupported' : feature === 14 };
    }
    if (name === 'registerDomainEvent') {
      const { eventId } = procedures.registerDomainEvent.args.read(from);
      const callbackId = this.#nextCallback++;
      session.registered.set(eventId, callbackId);
      return { callbackId };
    }
    const args = procedures[name].args.read(from);
    from.end();
    // The arguments were read by the codec of this very procedure.
    const handler = this.world.handlers[name] as ((args: unknown) => unknown) | undefined;
    if (handler === undefined)
      throw new Refusal({ code: errorCode.noSupport, message: `this function is not supported: ${name}` });
    return handler(args);
  }

  #reply(
    session: Session,
    call: Header,
    status: 'ok' | 'error',
    payload: Buffer,
    fault: Fault | undefined,
  ): void {
    const header = { ...call, type: packetType.reply, status: packetStatus[status] };
    const whole = makePacket(header, payload);
    const { socket } = session;
    switch (fault?.kind) {
      case 'short':
        socket.write(makePacket(header, payload.subarray(0, -4)));
        break;
      case 'long':
        socket.write(makePacket(header, Buffer.concat([payload, Buffer.alloc(4)])));
        break;
      case 'wrong-serial':
        socket.write(makePacket({ ...header, serial: header.serial + 1000 }, payload));
        break;
      case 'wrong-procedure':
        socket.write(makePacket({ ...header, procedure: header.procedure + 1 }, payload));
        break;
      case 'twice':
        socket.write(whole);
        socket.write(whole);
        break;
      case 'late':
        setTimeout(() => socket.write(whole), fault.afterMs);
        break;
      case 'byte-by-byte':
        for (const byte of whole) socket.write(Uint8Array.of(byte));
        break;
      default:
        socket.write(whole);
    }
  }
}
