import { Duplex } from 'node:stream';
import { callCancelled } from './errors.ts';
import { type OpenOptions, openTransport } from './handshake.ts';
import type { Procedure } from './procedures/shapes.ts';
import type { CallOptions, StreamHandlers, Transport } from './transport.ts';

/** VIR_NET_MESSAGE_LEGACY_PAYLOAD_MAX: what every daemon takes in one piece. */
export const maxStreamChunk = 262_120;

type Step = (error?: Error | null) => void;

/** The bytes of a console, a channel or a screenshot as a Node stream. */
class DaemonStream extends Duplex {
  readonly #transport: Transport;
  #serial: number | undefined;
  #ended: Step | undefined;

  constructor(transport: Transport) {
    super({ allowHalfOpen: true });
    this.#transport = transport;
  }

  readonly handlers: StreamHandlers = {
    opened: (serial) => {
      this.#serial = serial;
    },
    // This connection carries nothing else: not to read it is what slows the daemon down.
    data: (bytes) => {
      if (!this.push(bytes)) this.#transport.pause();
    },
    end: () => {
      this.push(null);
      this.end();
    },
    finished: () => {
      this.#serial = undefined;
      this.push(null);
      const ended = this.#ended;
      if (ended === undefined) this.end();
      else ended();
    },
    failed: (why) => {
      this.#serial = undefined;
      this.destroy(why);
    },
  };

  override _read(): void {
    this.#transport.resume();
  }
  override _write(chunk: Buffer, _encoding: BufferEncoding, done: Step): void {
    const serial = this.#serial;
    // The daemon closed the stream: what is still written has nowhere to go, like into a closed pipe.
    if (serial === undefined) {
      done();
      return;
    }
    for (let at = 0; at < chunk.length; at += maxStreamChunk) {
      const last = at + maxStreamChunk >= chunk.length;
      this.#transport.sendOnStream(serial, chunk.subarray(at, at + maxStreamChunk), last ? done : () => {});
    }
  }
  override _final(done: Step): void {
    if (this.#serial === undefined) {
      done();
      return;
    }
    this.#ended = done;
    this.#transport.resume();
    this.#transport.finishStream(this.#serial);
  }
  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    if (this.#serial !== undefined) this.#transport.abortStream(this.#serial);
    // The abort is sent at the end of this turn; closing comes after it.
    setImmediate(() => this.#transport.close());
    done(error);
  }
}

/**
 * Opens a stream on a connection of its own: back-pressure stops the reading of a whole connection, which must not stop
 * anything else. The connection ends with the stream.
 */
export async function openStream<A, R>(
  options: OpenOptions,
  procedure: Procedure<A, R>,
  args: A,
  calling: CallOptions = {},
): Promise<{ value: R; stream: Duplex }> {
  const transport = await openTransport(options, {}, calling.signal);
  const stream = new DaemonStream(transport);
  try {
    const value = await transport.openStream(procedure, args, stream.handlers, calling);
    return { value, stream };
  } catch (error) {
    stream.on('error', () => {});
    stream.destroy();
    transport.close();
    throw error;
  }
}

/** All bytes of a stream that ends by itself, e.g. a screenshot; no more than `maxBytes`. */
export async function readStream(stream: Duplex, maxBytes: number, signal?: AbortSignal): Promise<Buffer> {
  const parts: Buffer[] = [];
  let total = 0;
  const stop = () => stream.destroy(callCancelled('stream', signal?.reason));
  signal?.addEventListener('abort', stop, { once: true });
  try {
    for await (const part of stream as AsyncIterable<Buffer>) {
      total += part.length;
      if (total > maxBytes) throw callCancelled('stream', new Error(`more than ${maxBytes} bytes`));
      parts.push(part);
    }
  } finally {
    signal?.removeEventListener('abort', stop);
  }
  return Buffer.concat(parts);
}
