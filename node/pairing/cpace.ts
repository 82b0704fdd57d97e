import { createHash, createHmac, timingSafeEqual } from 'node:crypto';
import { ristretto255, ristretto255_hasher } from '@noble/curves/ed25519.js';

/**
 * CPace, a balanced PAKE: two sides that share a short password agree on a strong key, and who does not know the password
 * learns nothing from a run but whether one guess was right. This is the group ristretto255 with SHA-512 in the
 * initiator-responder setting of draft-irtf-cfrg-cpace (version 21), byte for byte; its test vectors are in cpace.test.ts.
 *
 *   PRS  the password        CI  what both sides know of the channel        sid  16 random bytes
 *
 *   g   = map to the group( SHA-512( lv_cat("CPaceRistretto255", PRS, zeros, CI, sid) ) )
 *   Ya  = ya * g   from the initiator, with its associated data ADa;   Yb = yb * g  from the responder, with ADb
 *   K   = ya * Yb = yb * Ya
 *   ISK = SHA-512( lv_cat("CPaceRistretto255_ISK", sid, K) || lv_cat(Ya, ADa) || lv_cat(Yb, ADb) )
 *
 * lv_cat puts each part's length (LEB128) before it. By example: lv_cat("abc", "") = 03 61 62 63 00, and a part of 200
 * bytes begins with c8 01. The zeros fill the first hash block (128 bytes) after the password, so that the time of the
 * hash says nothing of the password's length.
 *
 * Key confirmation (section 9.4 of the draft): mac key = SHA-512("CPaceMac" || sid || ISK), each side's tag is the HMAC
 * of its own lv_cat(Y, AD). We send the first 32 of the 64 bytes.
 */
const encoder = new TextEncoder();
const dsi = encoder.encode('CPaceRistretto255');
const dsiIsk = encoder.encode('CPaceRistretto255_ISK');
const hashBlockBytes = 128;
const { Point } = ristretto255;

export function lvCat(...parts: readonly Uint8Array[]): Buffer {
  return Buffer.concat(parts.flatMap((part) => [leb128(part.length), part]));
}

function leb128(value: number): Uint8Array {
  const bytes: number[] = [];
  let rest = value;
  do {
    bytes.push(rest < 128 ? rest : (rest & 0x7f) | 0x80);
    rest >>= 7;
  } while (rest > 0);
  return Uint8Array.from(bytes);
}

const sha512 = (...parts: readonly Uint8Array[]): Buffer => {
  const hash = createHash('sha512');
  for (const part of parts) hash.update(part);
  return hash.digest();
};

export function generatorString(password: Uint8Array, ci: Uint8Array, sid: Uint8Array): Buffer {
  const used = lvCat(dsi).length + lvCat(password).length;
  const zeros = new Uint8Array(Math.max(0, hashBlockBytes - 1 - used));
  return lvCat(dsi, password, zeros, ci, sid);
}

export function generatorOf(password: Uint8Array, ci: Uint8Array, sid: Uint8Array): Uint8Array {
  return ristretto255_hasher.deriveToCurve!(sha512(generatorString(password, ci, sid))).toBytes();
}

/** A secret scalar, 1 to order - 1, of 64 random bytes (so that the bias of the reduction cannot be seen). */
export function scalarOf(random64: Uint8Array): bigint {
  if (random64.length !== 64) throw new Error('a scalar is made of 64 random bytes');
  return Point.Fn.create(littleEndian(random64));
}

export function littleEndian(bytes: Uint8Array): bigint {
  return BigInt(`0x${Buffer.from(bytes).reverse().toString('hex')}`);
}

export function shareOf(generator: Uint8Array, scalar: bigint): Uint8Array {
  return Point.fromBytes(generator).multiply(scalar).toBytes();
}

/** The common secret point; undefined for bytes that are no point, or for the neutral element: the run must end there. */
export function secretOf(theirShare: Uint8Array, scalar: bigint): Uint8Array | undefined {
  let point: InstanceType<typeof Point>;
  try {
    point = Point.fromBytes(theirShare);
  } catch {
    return undefined;
  }
  if (point.is0()) return undefined;
  const secret = point.multiply(scalar);
  return secret.is0() ? undefined : secret.toBytes();
}

export type Side = { share: Uint8Array; ad: Uint8Array };

export function sessionKeyOf(
  sid: Uint8Array,
  secret: Uint8Array,
  initiator: Side,
  responder: Side,
): Uint8Array {
  return sha512(
    lvCat(dsiIsk, sid, secret),
    lvCat(initiator.share, initiator.ad),
    lvCat(responder.share, responder.ad),
  );
}

export function tagOf(sid: Uint8Array, sessionKey: Uint8Array, side: Side): Buffer {
  const macKey = sha512(encoder.encode('CPaceMac'), sid, sessionKey);
  return createHmac('sha512', macKey).update(lvCat(side.share, side.ad)).digest().subarray(0, 32);
}

/** Compares without telling by its time where they differ. */
export function sameBytes(one: Uint8Array, other: Uint8Array): boolean {
  return one.length === other.length && timingSafeEqual(one, other);
}
