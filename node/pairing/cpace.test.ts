import { randomBytes } from 'node:crypto';
import * as assert from 'uvu/assert';
import { suite } from '../../test/support/suite.ts';
import {
  generatorOf,
  generatorString,
  littleEndian,
  lvCat,
  sameBytes,
  scalarOf,
  secretOf,
  sessionKeyOf,
  shareOf,
  tagOf,
} from './cpace.ts';

/** The numbers are the test vectors of draft-irtf-cfrg-cpace for ristretto255 and SHA-512. */
const test = suite('cpace');
const hex = (text: string) => Buffer.from(text, 'hex');
const ascii = (text: string) => Buffer.from(text, 'ascii');
const password = ascii('Password');
const ci = hex('6f630b425f726573706f6e6465720b415f696e69746961746f72');
const sid = hex('7e4b4791d6a8ef019b936c79fb7f2c57');
const g = 'a6fc82c3b8968fbb2e06fee81ca858586dea50d248f0c7ca6a18b0902a30b36b';
const ya = littleEndian(hex('da3d23700a9e5699258aef94dc060dfda5ebb61f02a5ea77fad53f4ff0976d08'));
const yb = littleEndian(hex('d2316b454718c35362d83d69df6320f38578ed5984651435e2949762d900b80d'));
const shareA = hex('d40fb265a7abeaee7939d91a585fe59f7053f982c296ec413c624c669308f87a');
const shareB = hex('08bcf6e9777a9c313a3db6daa510f2d398403319c2341bd506a92e672eb7e307');
const secret = 'e22b1ef7788f661478f3cddd4c600774fc0f41e6b711569190ff88fa0e607e09';
const isk =
  '4c5469a16b2364c4b944ebc1a79e51d1674ad47db26e8718154f59faebfaa52d8346f30aa58377117eb20d527f2cbc5c76381f7fd372e89df8239f87f2e02ed1';
const text = (bytes: Uint8Array | undefined) => Buffer.from(bytes ?? []).toString('hex');

test('lengths come before each part', () => {
  assert.is(text(lvCat(ascii('abc'), ascii(''))), '0361626300');
  assert.is(text(lvCat(new Uint8Array(200)).subarray(0, 2)), 'c801');
  assert.is(text(lvCat(new Uint8Array(1), new Uint8Array(16384)).subarray(2, 5)), '808001');
});

test('the generator of the draft', () => {
  const bytes = generatorString(password, ci, sid);
  assert.is(bytes.length, 172);
  assert.ok(text(bytes).startsWith('11435061636552697374726574746f3235350850617373776f726464000000'));
  assert.is(text(generatorOf(password, ci, sid)), g);
});

test('shares, secret and session key of the draft', () => {
  assert.is(text(shareOf(hex(g), ya)), text(shareA));
  assert.is(text(shareOf(hex(g), yb)), text(shareB));
  assert.is(text(secretOf(shareB, ya)), secret);
  assert.is(text(secretOf(shareA, yb)), secret);
  const a = { share: shareA, ad: ascii('ADa') };
  const b = { share: shareB, ad: ascii('ADb') };
  assert.is(text(sessionKeyOf(sid, hex(secret), a, b)), isk);
  assert.not.equal(text(sessionKeyOf(sid, hex(secret), b, a)), isk);
});

test('shares that are no points, and the neutral element, end the run', () => {
  // invalid and neutral points of the draft
  const bad = [
    '2b3c6b8c4f3800e7aef6864025b4ed79bd599117e427c41bd47d93d654b4a51c',
    '0000000000000000000000000000000000000000000000000000000000000000',
    'ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff',
    '00',
  ];
  for (const share of bad) assert.is(secretOf(hex(share), ya), undefined, share);
});

test('with another password, context or session the keys differ', () => {
  const key = (code: string, context: Uint8Array, session: Uint8Array) => {
    const mine = shareOf(generatorOf(ascii(code), context, session), ya);
    const theirs = shareOf(generatorOf(password, ci, sid), yb);
    const point = secretOf(theirs, ya);
    if (point === undefined) throw new Error('a valid share was refused');
    const sides = [
      { share: mine, ad: ascii('a') },
      { share: theirs, ad: ascii('b') },
    ] as const;
    return text(tagOf(session, sessionKeyOf(session, point, ...sides), sides[0]));
  };
  const right = key('Password', ci, sid);
  assert.is(key('Password', ci, sid), right);
  assert.is.not(key('Passwore', ci, sid), right);
  assert.is.not(key('Password', ascii('elsewhere'), sid), right);
  assert.is.not(key('Password', ci, randomBytes(16)), right);
});

test('scalars are below the order and need 64 bytes', () => {
  const order = 2n ** 252n + 27742317777372353535851937790883648493n;
  for (const fill of [0xff, 0x01]) assert.ok(scalarOf(new Uint8Array(64).fill(fill)) < order);
  assert.throws(() => scalarOf(new Uint8Array(32)));
});

test('bytes are compared whole', () => {
  assert.ok(sameBytes(hex('0102'), hex('0102')));
  assert.not(sameBytes(hex('0102'), hex('0103')));
  assert.not(sameBytes(hex('0102'), hex('01')));
});

test.run();
