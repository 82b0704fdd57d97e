/**
 * XDR (RFC 4506), the part of it that libvirt uses. Everything is big-endian and fills a multiple of 4 bytes:
 *   int 5          00000005
 *   hyper 5        0000000000000005
 *   string "abc"   00000003 61626300            length, bytes, zeros up to 4
 *   *string        00000000 | 00000001 + string absent | present
 *   int<> [1, 2]   00000002 00000001 00000002   count, items
 */

/** The peer sent what it must not send; the connection cannot be trusted any more. */
export class GarbageError extends Error {
  override readonly name = 'GarbageError';
}

/** We were asked to send what the peer would refuse to read. A mistake of the caller, not of the peer. */
export class UnsendableError extends Error {
  override readonly name = 'UnsendableError';
}

/** Knows how one type looks on the wire. Methods, so that a `Codec<string>` is accepted where any codec is. */
export type Codec<T> = {
  write(to: XdrWriter, value: T): void;
  read(from: XdrReader): T;
};
export type Decoded<C> = C extends Codec<infer T> ? T : never;

const padding = (length: number): number => (4 - (length & 3)) & 3;

export class XdrWriter {
  #bytes: Buffer;
  #used: number;

  /** `reserve` bytes at the start are left for a header, see `finish`. */
  constructor(reserve = 0) {
    this.#bytes = Buffer.allocUnsafe(Math.max(256, reserve * 2));
    this.#used = reserve;
  }

  #room(count: number): number {
    const at = this.#used;
    const needed = at + count;
    if (needed > this.#bytes.length) {
      const larger = Buffer.allocUnsafe(Math.max(needed, this.#bytes.length * 2));
      this.#bytes.copy(larger, 0, 0, at);
      this.#bytes = larger;
    }
    this.#used = needed;
    return at;
  }

  int(value: number): void {
    const at = this.#room(4);
    this.#bytes.writeInt32BE(value, at);
  }
  uint(value: number): void {
    const at = this.#room(4);
    this.#bytes.writeUInt32BE(value, at);
  }
  hyper(value: bigint): void {
    const at = this.#room(8);
    this.#bytes.writeBigInt64BE(value, at);
  }
  uhyper(value: bigint): void {
    const at = this.#room(8);
    this.#bytes.writeBigUInt64BE(value, at);
  }
  double(value: number): void {
    const at = this.#room(8);
    this.#bytes.writeDoubleBE(value, at);
  }
  /** Bytes as they are, then zeros up to a multiple of 4; no length. */
  fixed(value: Uint8Array): void {
    const pad = padding(value.length);
    const at = this.#room(value.length + pad);
    this.#bytes.set(value, at);
    this.#bytes.fill(0, at + value.length, at + value.length + pad);
  }
  text(value: string, maxBytes: number): void {
    const length = Buffer.byteLength(value);
    if (length > maxBytes) throw new UnsendableError(`a text of ${length} bytes; at most ${maxBytes}`);
    const pad = padding(length);
    this.uint(length);
    const at = this.#room(length + pad);
    this.#bytes.write(value, at, length, 'utf8');
    this.#bytes.fill(0, at + length, at + length + pad);
  }
  /** All that was written; the reserved start is the caller's to fill. Not to be used after. */
  finish(): Buffer {
    return this.#bytes.subarray(0, this.#used);
  }
}

export class XdrReader {
  readonly #bytes: Buffer;
  #at: number;

  constructor(bytes: Uint8Array, at = 0) {
    this.#bytes = Buffer.isBuffer(bytes)
      ? bytes
      : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#at = at;
  }

  #take(count: number): number {
    const at = this.#at;
    if (count > this.#bytes.length - at)
      throw new GarbageError(`needs ${count} bytes at ${at}, but only ${this.#bytes.length - at} are left`);
    this.#at = at + count;
    return at;
  }

  get left(): number {
    return this.#bytes.length - this.#at;
  }
  int(): number {
    return this.#bytes.readInt32BE(this.#take(4));
  }
  uint(): number {
    return this.#bytes.readUInt32BE(this.#take(4));
  }
  hyper(): bigint {
    return this.#bytes.readBigInt64BE(this.#take(8));
  }
  uhyper(): bigint {
    return this.#bytes.readBigUInt64BE(this.#take(8));
  }
  double(): number {
    return this.#bytes.readDoubleBE(this.#take(8));
  }
  fixed(length: number): Buffer {
    const at = this.#take(length + padding(length));
    return this.#bytes.subarray(at, at + length);
  }
  /** A length or a count: refused before anything is allocated for it. */
  count(max: number, what: string): number {
    const count = this.uint();
    if (count > max) throw new GarbageError(`${what} of ${count}; at most ${max}`);
    return count;
  }
  text(maxBytes: number): string {
    const length = this.count(maxBytes, 'a text');
    const at = this.#take(length + padding(length));
    return this.#bytes.toString('utf8', at, at + length);
  }
  /** Every message is read to its end: left-over bytes mean that our table and the peer's disagree. */
  end(): void {
    if (this.left !== 0) throw new GarbageError(`${this.left} bytes too many`);
  }
}
