import type { z } from 'zod';
import { AppError } from '../../node/contract/error.ts';

/** Everything that comes in from outside is read and parsed here. */
export const largestBodyBytes = 1024 * 1024;

const tooLarge = (): AppError =>
  new AppError({
    code: 'request.too-large',
    family: 'invalid',
    message: `The request is larger than ${largestBodyBytes / 1024 / 1024} MiB.`,
  });

const notJson = (cause?: unknown): AppError =>
  new AppError({
    code: 'request.not-json',
    family: 'invalid',
    message: 'The request must be JSON, with content type application/json.',
    cause,
  });

/** A body that trickles in must not be waited for for ever; the whole of it has this long. */
export const patienceMs = 20_000;
const tooSlow = (): AppError =>
  new AppError({
    code: 'request.too-slow',
    family: 'invalid',
    message: 'The request did not arrive whole in time.',
  });

async function readText(request: Request, withinMs: number): Promise<string> {
  if (Number(request.headers.get('content-length') ?? 0) > largestBodyBytes) throw tooLarge();
  if (request.body === null) return '';
  const chunks: Uint8Array[] = [];
  let size = 0;
  const reader = request.body.getReader();
  const late = Promise.withResolvers<never>();
  const timer = setTimeout(() => late.reject(tooSlow()), withinMs);
  try {
    for (;;) {
      const { done, value } = await Promise.race([reader.read(), late.promise]);
      if (done) return Buffer.concat(chunks).toString('utf8');
      size += value.byteLength;
      if (size > largestBodyBytes) throw tooLarge();
      chunks.push(value);
    }
  } catch (thrown) {
    void reader.cancel().catch(() => {});
    throw thrown;
  } finally {
    clearTimeout(timer);
  }
}

/** No body at all stands for an empty object, where the schema is content with one. */
export async function readJson(request: Request, withinMs: number = patienceMs): Promise<unknown> {
  const text = await readText(request, withinMs);
  if (text === '') return {};
  const type = request.headers.get('content-type')?.split(';')[0]?.trim().toLowerCase();
  // A form that a foreign page sends cannot have this type.
  if (type !== 'application/json') throw notJson();
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw notJson(cause);
  }
}

/** All problems at once, each with its path. */
export function parseWith<T extends z.ZodType>(
  schema: T,
  value: unknown,
  what: 'path' | 'query' | 'body',
): z.output<T> {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const issues = parsed.error.issues.map((issue) => ({ path: issue.path.join('.'), message: issue.message }));
  const [first] = issues;
  const where = first === undefined || first.path === '' ? '' : `${first.path}: `;
  throw new AppError({
    code: 'request.invalid',
    family: 'invalid',
    message: `The ${what} of the request is not right: ${where}${first?.message ?? 'unknown problem'}.`,
    details: { issues },
  });
}
