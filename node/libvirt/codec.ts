import { type Codec, type Decoded, GarbageError, UnsendableError } from './xdr.ts';

/** REMOTE_STRING_MAX: no text is longer, in either direction. */
export const maxTextBytes = 4 * 1024 * 1024;

export const int: Codec<number> = {
  write: (to, value) => to.int(value),
  read: (from) => from.int(),
};
export const uint: Codec<number> = {
  write: (to, value) => to.uint(value),
  read: (from) => from.uint(),
};
export const hyper: Codec<bigint> = {
  write: (to, value) => to.hyper(value),
  read: (from) => from.hyper(),
};
export const uhyper: Codec<bigint> = {
  write: (to, value) => to.uhyper(value),
  read: (from) => from.uhyper(),
};
export const double: Codec<number> = {
  write: (to, value) => to.double(value),
  read: (from) => from.double(),
};
/** An int: 0 is false, all else is true. */
export const bool: Codec<boolean> = {
  write: (to, value) => to.int(value ? 1 : 0),
  read: (from) => from.int() !== 0,
};
export const text: Codec<string> = {
  write: (to, value) => to.text(value, maxTextBytes),
  read: (from) => from.text(maxTextBytes),
};

/** `opaque<max>`: bytes with a length. What is read is a copy: it must not keep a whole message alive. */
export const bytes = (max: number): Codec<Uint8Array> => ({
  write(to, value) {
    if (value.length > max) throw new UnsendableError(`${value.length} bytes; at most ${max}`);
    to.uint(value.length);
    to.fixed(value);
  },
  read: (from) => Buffer.from(from.fixed(from.count(max, 'bytes'))),
});

/** `T*`: 0, or 1 and the value. */
export const optional = <T>(item: Codec<T>): Codec<T | undefined> => ({
  write(to, value) {
    to.int(value === undefined ? 0 : 1);
    if (value !== undefined) item.write(to, value);
  },
  read(from) {
    const present = from.int();
    if (present !== 0 && present !== 1) throw new GarbageError(`${present} where 0 or 1 must be`);
    return present === 1 ? item.read(from) : undefined;
  },
});
export const optionalText = optional(text);

/** `T<max>`: a count and the items. */
export const list = <T>(item: Codec<T>, max: number): Codec<readonly T[]> => ({
  write(to, value) {
    if (value.length > max) throw new UnsendableError(`a list of ${value.length}; at most ${max}`);
    to.uint(value.length);
    for (const one of value) item.write(to, one);
  },
  read(from) {
    const count = from.count(max, 'a list');
    // Items are pushed, not preallocated: a false count must not cost memory before the bytes run out.
    const items: T[] = [];
    for (let i = 0; i < count; i++) items.push(item.read(from));
    return items;
  },
});

type Fields = Record<string, Codec<unknown>>;
type Struct<F extends Fields> = { readonly [K in keyof F]: Decoded<F[K]> };

/** Fields one after the other, in the order in which they are written here. */
export function struct<const F extends Fields>(fields: F): Codec<Struct<F>> {
  const entries = Object.entries(fields);
  return {
    write(to, value) {
      for (const [name, codec] of entries) codec.write(to, value[name]);
    },
    read(from) {
      const result: Record<string, unknown> = {};
      for (const [name, codec] of entries) result[name] = codec.read(from);
      // Each field was read by its own codec just above.
      return result as Struct<F>;
    },
  };
}

/** No arguments, or no answer. */
export const nothing = struct({});

const uuidPattern = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;

/** 16 bytes without a length; text with hyphens in lower case on our side. */
export const uuid: Codec<string> = {
  write(to, value) {
    if (!uuidPattern.test(value)) throw new UnsendableError(`"${value}" is not a UUID`);
    to.fixed(Buffer.from(value.replaceAll('-', ''), 'hex'));
  },
  read(from) {
    const hex = from.fixed(16).toString('hex');
    return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
  },
};
