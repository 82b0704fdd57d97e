import { randomBytes, scrypt, timingSafeEqual } from 'node:crypto';

/**
 * Passwords as `scrypt$N$r$p$salt$hash` (contract/seed.ts). The numbers are in the text, so they can grow: a password
 * that was hashed with less is hashed anew at its next login.
 */
const current = { N: 65_536, r: 8, p: 1 } as const;
const hashBytes = 32;
/** What a text may ask of us: no more than 128 MiB. */
const limits = { N: 131_072, r: 8, p: 4 } as const;

type Cost = { N: number; r: number; p: number };

const derive = (password: string, salt: Buffer, cost: Cost, length: number): Promise<Buffer> =>
  new Promise((resolve, reject) => {
    const options = { ...cost, maxmem: 130 * cost.N * cost.r + 1024 * 1024 };
    // The same text typed on another keyboard may be other code points.
    scrypt(password.normalize('NFC'), salt, length, options, (error, key) =>
      error === null ? resolve(key) : reject(error),
    );
  });

let turn: Promise<unknown> = Promise.resolve();
/** One at a time: 64 MiB each, and a login must not be a way to use up the engine's memory. */
function inTurn<T>(work: () => Promise<T>): Promise<T> {
  const mine = turn.then(work, work);
  turn = mine.catch(() => {});
  return mine;
}

/** `N` other than ours: only for tests that are about something else. */
export async function hashPassword(password: string, N: number = current.N): Promise<string> {
  const cost = { ...current, N };
  const salt = randomBytes(16);
  const key = await inTurn(() => derive(password, salt, cost, hashBytes));
  return ['scrypt', cost.N, cost.r, cost.p, salt.toString('base64url'), key.toString('base64url')].join('$');
}

function parseHash(text: string): { cost: Cost; salt: Buffer; key: Buffer } | undefined {
  const found = /^scrypt\$(\d+)\$(\d+)\$(\d+)\$([\w-]+)\$([\w-]+)$/.exec(text);
  if (found === null) return undefined;
  const [N, r, p] = [Number(found[1]), Number(found[2]), Number(found[3])];
  if (N < 2 || N > limits.N || r > limits.r || p > limits.p || (N & (N - 1)) !== 0) return undefined;
  return {
    cost: { N, r, p },
    salt: Buffer.from(found[4] ?? '', 'base64url'),
    key: Buffer.from(found[5] ?? '', 'base64url'),
  };
}

/** Nobody's password: checked when there is no such user, so that the time an answer takes tells nothing. */
const nobody = (N: number) => `scrypt$${N}$8$1$${'A'.repeat(22)}$${'A'.repeat(43)}`;

export async function checkPassword(
  password: string,
  stored: string | undefined,
  N: number = current.N,
): Promise<{ right: boolean; weak: boolean }> {
  const parsed = parseHash(stored ?? nobody(N));
  if (parsed === undefined) return { right: false, weak: false };
  const key = await inTurn(() => derive(password, parsed.salt, parsed.cost, parsed.key.length));
  const right = stored !== undefined && timingSafeEqual(key, parsed.key);
  return { right, weak: parsed.cost.N < N };
}
