import { z } from 'zod';
import { type EngineSeed, engineSeedSchema } from '../../engine/contract/seed.ts';
import { AppError } from '../../node/contract/error.ts';

/** Reads what formation wrote on the seed disk: JSON, then zero bytes to the disk's end. */
export function parseSeed(disk: Uint8Array): EngineSeed {
  const bytes = Buffer.from(disk);
  const end = bytes.indexOf(0);
  const text = bytes.subarray(0, end < 0 ? bytes.length : end).toString('utf8');
  if (text.trim() === '')
    throw new AppError({
      code: 'seed.missing',
      family: 'unavailable',
      message: 'The seed disk is empty.',
      remedy: 'Form the cluster again; formation writes the seed.',
    });
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (cause) {
    throw invalid('it is not JSON', cause);
  }
  const seed = engineSeedSchema.safeParse(json);
  if (!seed.success) throw invalid(z.prettifyError(seed.error));
  return seed.data;
}

// The parser's own message may quote the seed, which holds the private key: it is not passed on.
const invalid = (why: string, cause?: unknown): AppError =>
  new AppError({
    code: 'seed.invalid',
    family: 'invalid',
    message: `The seed on the seed disk cannot be used: ${why}.`,
    remedy: 'Write the seed again with the version of Trefoil that made this engine image.',
    ...(cause instanceof SyntaxError ? {} : { cause }),
  });
