import { scrypt, timingSafeEqual } from 'node:crypto';

/** 2^16, 8, 1: about 0.2 s and 64 MiB, as the engine does; the numbers are part of the text, so that they can grow later. */
const cost = { N: 65_536, r: 8, p: 1 };
const keyBytes = 32;

function derive(
  password: string,
  salt: Uint8Array,
  { N, r, p }: typeof cost,
  bytes: number,
): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const options = { N, r, p, maxmem: 256 * N * r };
    scrypt(password.normalize('NFC'), salt, bytes, options, (error, key) =>
      error ? reject(error) : resolve(key),
    );
  });
}

/** `scrypt$65536$8$1$<salt>$<hash>`, as engine/contract/seed.ts wants it. */
export async function hashPassword(password: string, salt: Uint8Array, given = cost): Promise<string> {
  const key = await derive(password, salt, given, keyBytes);
  const text = (bytes: Uint8Array) => Buffer.from(bytes).toString('base64url');
  return ['scrypt', given.N, given.r, given.p, text(salt), text(key)].join('$');
}

export async function isPassword(password: string, hash: string): Promise<boolean> {
  const [, N, r, p, salt, key] = hash.split('$');
  const wanted = Buffer.from(key ?? '', 'base64url');
  const numbers = { N: Number(N), r: Number(r), p: Number(p) };
  const found = await derive(password, Buffer.from(salt ?? '', 'base64url'), numbers, wanted.length);
  return wanted.length > 0 && timingSafeEqual(found, wanted);
}
