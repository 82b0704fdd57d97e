import fc from 'fast-check';
import * as assert from 'uvu/assert';
import { suite } from '../../test/support/suite.ts';
import {
  bool,
  bytes,
  double,
  hyper,
  int,
  list,
  optional,
  struct,
  text,
  uhyper,
  uint,
  uuid,
} from './codec.ts';
import { ParamReader, type ParamValue, param, typedParams } from './typed-params.ts';
import { type Codec, GarbageError, UnsendableError, XdrReader, XdrWriter } from './xdr.ts';

const test = suite('XDR');

const encode = <T>(codec: Codec<T>, value: T): Buffer => {
  const to = new XdrWriter();
  codec.write(to, value);
  return to.finish();
};
const decode = <T>(codec: Codec<T>, wire: Uint8Array): T => {
  const from = new XdrReader(wire);
  const value = codec.read(from);
  from.end();
  return value;
};
const hex = <T>(codec: Codec<T>, value: T): string => encode(codec, value).toString('hex');

test('looks on the wire as RFC 4506 says', () => {
  assert.is(hex(int, -2), 'fffffffe');
  assert.is(hex(uint, 0xffffffff), 'ffffffff');
  assert.is(hex(hyper, -2n), 'fffffffffffffffe');
  assert.is(hex(uhyper, 2n ** 64n - 1n), 'ffffffffffffffff');
  assert.is(hex(double, 1.5), '3ff8000000000000');
  assert.is(hex(bool, true), '00000001');
  assert.is(hex(text, ''), '00000000');
  assert.is(hex(text, 'abcde'), '000000056162636465000000');
  assert.is(hex(text, 'é'), '00000002c3a90000');
  assert.is(hex(bytes(8), Uint8Array.of(1, 2, 3)), '0000000301020300');
  assert.is(hex(optional(int), undefined), '00000000');
  assert.is(hex(optional(int), 7), '0000000100000007');
  assert.is(hex(list(int, 3), [1, 2]), '000000020000000100000002');
  assert.is(hex(uuid, '00112233-4455-6677-8899-aabbccddeeff'), '00112233445566778899aabbccddeeff');
});

const values = fc.record({
  a: fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 }),
  b: fc.integer({ min: 0, max: 2 ** 32 - 1 }),
  c: fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
  d: fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
  e: fc.double({ noNaN: true }),
  f: fc.boolean(),
  g: fc.string({ unit: 'grapheme', maxLength: 40 }),
  h: fc.option(fc.string({ maxLength: 9 }), { nil: undefined }),
  i: fc.array(fc.integer({ min: 0, max: 9 }), { maxLength: 9 }),
  j: fc.uuid(),
});
const everything = struct({
  a: int,
  b: uint,
  c: hyper,
  d: uhyper,
  e: double,
  f: bool,
  g: text,
  h: optional(text),
  i: list(int, 9),
  j: uuid,
});

test('what is written is read again', () => {
  fc.assert(
    fc.property(values, (value) => {
      const read = decode(everything, encode(everything, value));
      assert.equal({ ...read, h: read.h ?? null }, { ...value, h: value.h ?? null });
    }),
  );
});

test('a cut at any place is garbage, never a wrong value', () => {
  fc.assert(
    fc.property(values, fc.nat(), (value, at) => {
      const wire = encode(everything, value);
      const cut = wire.subarray(0, at % wire.length);
      assert.throws(
        () => decode(everything, cut),
        (error: unknown) => error instanceof GarbageError,
      );
    }),
  );
});

test('any bytes at all are either read or garbage: no other error, no large allocation', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (wire) => {
      try {
        decode(everything, wire);
      } catch (error) {
        assert.instance(error, GarbageError);
      }
    }),
    { numRuns: 500 },
  );
});

test('a false length or count is refused before anything is made of it', () => {
  const wire = Buffer.from('ffffffff', 'hex');
  assert.throws(() => decode(text, wire), /a text of 4294967295/);
  assert.throws(() => decode(bytes(16), wire), /bytes of 4294967295/);
  assert.throws(() => decode(list(int, 16), wire), /a list of 4294967295/);
  assert.throws(() => decode(list(int, 16_384), Buffer.from('00004000', 'hex')), /needs 4 bytes/);
  assert.throws(() => decode(optional(int), Buffer.from('00000002', 'hex')), /where 0 or 1/);
});

test('what the daemon would refuse is not sent', () => {
  const refused = (error: unknown) => error instanceof UnsendableError;
  assert.throws(() => encode(text, 'x'.repeat(4 * 1024 * 1024 + 1)), refused);
  assert.throws(() => encode(bytes(2), Uint8Array.of(1, 2, 3)), refused);
  assert.throws(() => encode(list(int, 1), [1, 2]), refused);
  assert.throws(() => encode(uuid, 'not-a-uuid'), refused);
});

test('typed parameters keep their type, and an unknown type is garbage', () => {
  const samples: ParamValue[] = [
    { type: 'int', value: -1 },
    { type: 'uint', value: 1 },
    { type: 'llong', value: -1n },
    { type: 'ullong', value: 1n },
    { type: 'double', value: 0.5 },
    { type: 'boolean', value: true },
    { type: 'string', value: 'x' },
  ];
  const params = samples.map((value, index) => ({ field: `f${index}`, value }));
  assert.equal(decode(typedParams(16), encode(typedParams(16), params)), params);
  assert.is(hex(typedParams(1), [param.uint('a', 2)]), '000000010000000161000000' + '0000000200000002');
  const unknown = Buffer.from('000000010000000161000000' + '0000000800000000', 'hex');
  assert.throws(() => decode(typedParams(1), unknown), /parameter of type 8/);
  assert.throws(() => encode(typedParams(1), [param.int('a', 1), param.int('b', 2)]), /list of 2/);
});

test('parameters are read by name, whatever number type the daemon chose', () => {
  const reader = new ParamReader([
    param.ullong('cpu.time', 12n),
    param.int('state.state', 1),
    param.string('block.0.name', 'vda'),
    param.boolean('flag', false),
  ]);
  assert.is(reader.number('cpu.time'), 12);
  assert.is(reader.number('state.state'), 1);
  assert.is(reader.string('block.0.name'), 'vda');
  assert.is(reader.boolean('flag'), false);
  assert.is(reader.number('block.0.name'), undefined);
  assert.is(reader.string('absent'), undefined);
});

test.run();
