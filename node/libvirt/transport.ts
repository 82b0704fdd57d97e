/**
 * One connection to the daemon over its unix socket: promises, deadlines and signs of life around `Connection`.
 *
 * Ground rules:
 * - when it ends, for whatever reason, it ends for good: everyone who waits gets the same typed error, `closed` is told
 *   once, and a new one must be opened (link.ts does);
 * - the daemon reads at most 5 requests of one client at a time (max_client_requests) and then stops reading, pings too.
 *   So at most 4 are in flight here, the rest wait in a queue, and a slow call can never look like a dead daemon;
 * - a call that was given up keeps its place until the daemon answers it. When only such calls are left in all places,
 *   the connection is stuck and is closed.
 */
import { once } from 'node:events';
import { createConnection, type Socket } from 'node:net';
import type { AppError } from '../contract/error.ts';
import { Connection, type ConnectionEvent, pingPacket } from './connection.ts';
import {
  callCancelled,
  connectionLost,
  deadlineMissed,
  garbageReceived,
  remoteFailure,
  unsendable,
} from './errors.ts';
import type { DaemonEvent } from './events.ts';
import type { Procedure } from './procedures/shapes.ts';

export type CallOptions = { deadlineMs?: number; signal?: AbortSignal };

/** Whatever calls can be made through: one connection, or a link that renews it. */
export type Caller = {
  call<A, R>(procedure: Procedure<A, R>, args: A, options?: CallOptions): Promise<R>;
};

export type TransportOptions = {
  socketPath: string;
  /** for a call that names none; long ones (migration, block jobs) name theirs */
  deadlineMs?: number;
  maxInFlight?: number;
  /** quiet for so long: ask for a sign of life; so many times in vain: the daemon is dead. 0 switches it off. */
  keepAliveMs?: number;
  keepAliveMisses?: number;
  maxPacketBytes?: number;
};

export type TransportHandlers = {
  event?: (event: DaemonEvent) => void;
  unknownEvent?: (message: { program: number; procedure: number; bytes: number }) => void;
  closed?: (why: AppError) => void;
};

export type StreamHandlers = {
  /** the call was answered: from now on bytes may come and may be sent under this serial */
  opened(serial: number): void;
  data(bytes: Buffer): void;
  /** the daemon has no more bytes */
  end(): void;
  /** closed on both sides */
  finished(): void;
  failed(why: AppError): void;
};

type Waiter = {
  procedure: Procedure<unknown, unknown>;
  args: unknown;
  resolve: (value: unknown) => void;
  reject: (error: AppError) => void;
  stream: StreamHandlers | undefined;
  serial: number | undefined;
  release: () => void;
};

export class Transport implements Caller {
  readonly #socket: Socket;
  readonly #connection: Connection;
  readonly #handlers: TransportHandlers;
  readonly #deadlineMs: number;
  readonly #maxInFlight: number;
  readonly #queue: Waiter[] = [];
  readonly #waiters = new Map<number, Waiter>();
  readonly #streams = new Map<number, StreamHandlers>();
  readonly #out: Buffer[] = [];
  #end: AppError | undefined;
  #heard = true;
  #missed = 0;
  #pulse: NodeJS.Timeout | undefined;

  private constructor(socket: Socket, options: TransportOptions, handlers: TransportHandlers) {
    this.#socket = socket;
    this.#connection = new Connection(options.maxPacketBytes);
    this.#handlers = handlers;
    this.#deadlineMs = options.deadlineMs ?? 30_000;
    this.#maxInFlight = options.maxInFlight ?? 4;
    socket.on('data', (chunk: Buffer) => this.#receive(chunk));
    socket.on('error', (error) => this.#fail(connectionLost(`the socket failed (${error.message})`, error)));
    socket.on('close', () => this.#fail(connectionLost('the daemon closed it')));
  }

  /** Connects the socket; who calls goes on with `handshake`. */
  static async connect(
    options: TransportOptions,
    handlers: TransportHandlers = {},
    signal?: AbortSignal,
  ): Promise<Transport> {
    const socket = createConnection(options.socketPath);
    const giveUp = () => socket.destroy(new Error('given up', { cause: signal?.reason }));
    if (signal?.aborted) giveUp();
    signal?.addEventListener('abort', giveUp, { once: true });
    try {
      await once(socket, 'connect');
    } catch (error) {
      throw connectionLost('its socket does not answer', error);
    } finally {
      signal?.removeEventListener('abort', giveUp);
    }
    return new Transport(socket, options, handlers);
  }

  get closed(): boolean {
    return this.#end !== undefined;
  }

  call<A, R>(procedure: Procedure<A, R>, args: A, options: CallOptions = {}): Promise<R> {
    return new Promise<R>((resolve, reject) => {
      // The value was read by this procedure's own codec.
      this.#enqueue(procedure, args, options, (value) => resolve(value as R), reject, undefined);
    });
  }

  /** Like `call`; then `handlers` get the stream's bytes. */
  openStream<A, R>(
    procedure: Procedure<A, R>,
    args: A,
    handlers: StreamHandlers,
    options: CallOptions = {},
  ): Promise<R> {
    return new Promise<R>((resolve, reject) => {
      this.#enqueue(procedure, args, options, (value) => resolve(value as R), reject, handlers);
    });
  }

  /** `written` is called when the kernel has taken the bytes. */
  sendOnStream(serial: number, data: Uint8Array, written: (error?: Error | null) => void): void {
    if (this.#end !== undefined) written(this.#end);
    else this.#socket.write(this.#connection.streamData(serial, data), written);
  }
  finishStream(serial: number): void {
    if (this.#end === undefined) this.#send(this.#connection.streamFinish(serial));
  }
  abortStream(serial: number): void {
    if (this.#end !== undefined || !this.#streams.has(serial)) return;
    this.#streams.delete(serial);
    this.#send(this.#connection.streamAbort(serial));
  }
  /** Stops reading, everything: only for a connection that carries one stream and nothing else. */
  pause(): void {
    this.#socket.pause();
  }
  resume(): void {
    this.#socket.resume();
  }

  /** Only when the daemon said that it supports it: others take a ping for garbage. */
  startKeepAlive(everyMs: number, misses: number): void {
    this.#pulse = setInterval(() => {
      // While we do not read, silence says nothing.
      if (this.#heard || this.#socket.isPaused()) this.#missed = 0;
      else this.#missed += 1;
      if (this.#missed > misses) {
        this.#fail(connectionLost(`the daemon gave no sign of life for ${everyMs * this.#missed} ms`));
        return;
      }
      if (!this.#heard) this.#send(pingPacket());
      this.#heard = false;
    }, everyMs);
    this.#pulse.unref();
  }

  close(): void {
    this.#fail(connectionLost('it was closed on this side'));
  }

  #enqueue<A>(
    procedure: Procedure<A, unknown>,
    args: A,
    options: CallOptions,
    resolve: Waiter['resolve'],
    reject: (error: unknown) => void,
    stream: StreamHandlers | undefined,
  ): void {
    const { signal } = options;
    if (this.#end !== undefined || signal?.aborted) {
      reject(this.#end ?? callCancelled(procedure.name, signal?.reason));
      return;
    }
    const deadlineMs = options.deadlineMs ?? this.#deadlineMs;
    const cancelled = () => this.#giveUp(waiter, callCancelled(procedure.name, signal?.reason));
    const timer = setTimeout(
      () => this.#giveUp(waiter, deadlineMissed(procedure.name, deadlineMs)),
      deadlineMs,
    );
    signal?.addEventListener('abort', cancelled, { once: true });
    const waiter: Waiter = {
      procedure,
      args,
      resolve,
      reject,
      stream,
      serial: undefined,
      release: () => {
        clearTimeout(timer);
        signal?.removeEventListener('abort', cancelled);
      },
    };
    this.#queue.push(waiter);
    this.#pump();
  }

  #pump(): void {
    while (this.#connection.inFlight - this.#streams.size < this.#maxInFlight) {
      const waiter = this.#queue.shift();
      if (waiter === undefined) return;
      try {
        const { serial, bytes } = this.#connection.call(waiter.procedure, waiter.args);
        waiter.serial = serial;
        this.#waiters.set(serial, waiter);
        this.#send(bytes);
      } catch (error) {
        waiter.release();
        waiter.reject(unsendable(waiter.procedure.name, error));
      }
    }
  }

  /** What is sent within one turn goes out in one write. */
  #send(bytes: Buffer): void {
    this.#out.push(bytes);
    if (this.#out.length > 1) return;
    queueMicrotask(() => {
      const all = this.#out.splice(0);
      const [only] = all;
      if (this.#end === undefined && only !== undefined)
        this.#socket.write(all.length === 1 ? only : Buffer.concat(all));
    });
  }

  #giveUp(waiter: Waiter, why: AppError): void {
    waiter.release();
    const queued = this.#queue.indexOf(waiter);
    if (queued >= 0) this.#queue.splice(queued, 1);
    if (waiter.serial !== undefined) {
      this.#waiters.delete(waiter.serial);
      this.#connection.forget(waiter.serial);
    }
    waiter.reject(why);
    const stuck =
      this.#waiters.size === 0 && this.#connection.inFlight - this.#streams.size >= this.#maxInFlight;
    if (stuck) this.#fail(connectionLost('the daemon hangs in every call that it was given'));
  }

  #receive(chunk: Buffer): void {
    this.#heard = true;
    for (const event of this.#connection.feed(chunk)) {
      if (this.#end !== undefined) return;
      this.#handle(event);
    }
    this.#pump();
  }

  #settle(serial: number): Waiter | undefined {
    const waiter = this.#waiters.get(serial);
    this.#waiters.delete(serial);
    waiter?.release();
    return waiter;
  }

  #handle(event: ConnectionEvent): void {
    switch (event.kind) {
      case 'answer': {
        const waiter = this.#settle(event.serial);
        if (waiter?.stream !== undefined) {
          this.#streams.set(event.serial, waiter.stream);
          waiter.stream.opened(event.serial);
        }
        waiter?.resolve(event.value);
        return;
      }
      case 'refusal':
        this.#settle(event.serial)?.reject(remoteFailure(event.error, event.procedure));
        return;
      case 'late':
      case 'pong':
        return;
      case 'event':
        this.#handlers.event?.(event.event);
        return;
      case 'unknown-event':
        this.#handlers.unknownEvent?.(event);
        return;
      case 'send':
        this.#send(event.bytes);
        return;
      case 'stream-data':
        this.#streams.get(event.serial)?.data(event.data);
        return;
      case 'stream-end':
        this.#streams.get(event.serial)?.end();
        return;
      case 'stream-finished':
      case 'stream-failed': {
        const stream = this.#streams.get(event.serial);
        this.#streams.delete(event.serial);
        if (event.kind === 'stream-finished') stream?.finished();
        else stream?.failed(remoteFailure(event.error, event.procedure));
        return;
      }
      case 'garbage':
        this.#fail(garbageReceived(event.cause));
    }
  }

  #fail(why: AppError): void {
    if (this.#end !== undefined) return;
    this.#end = why;
    clearInterval(this.#pulse);
    this.#socket.destroy();
    for (const waiter of [...this.#waiters.values(), ...this.#queue.splice(0)]) {
      waiter.release();
      waiter.reject(why);
    }
    this.#waiters.clear();
    for (const stream of this.#streams.values()) stream.failed(why);
    this.#streams.clear();
    this.#handlers.closed?.(why);
  }
}
