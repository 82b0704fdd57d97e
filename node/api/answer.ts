import type { Context } from 'hono';
import { z } from 'zod';
import { AppError, asAppError, httpStatusOf } from '../contract/error.ts';
import type { Log } from '../log/log.ts';

export function statusOf(error: AppError): 400 | 401 | 403 | 404 | 409 | 500 | 503 {
  return error.code === 'caller.unknown' ? 401 : httpStatusOf[error.family];
}

export function answerError(c: Context, thrown: unknown, log: Log): Response {
  const error = asAppError(thrown, `answering ${c.req.method} ${c.req.path}`);
  if (error.family === 'bug') log.error('request failed', thrown, { method: c.req.method, path: c.req.path });
  return c.json(error.toBody(), statusOf(error));
}

/** What Hono cannot even make a request of (a Host header that is none, say). */
export function answerUnreadable(thrown: unknown): Response {
  const error = new AppError({
    code: 'request.invalid',
    family: 'invalid',
    message: 'The request could not be understood.',
    cause: thrown,
  });
  return Response.json(error.toBody(), { status: statusOf(error) });
}

export function invalid(what: string, error: z.ZodError): AppError {
  return new AppError({
    code: 'request.invalid',
    family: 'invalid',
    message: `The ${what} of the request is not as it must be: ${z.prettifyError(error).split('\n')[0]}`,
    details: {
      problems: error.issues.map(({ path, message }) => ({ path: path.map(String).join('.'), message })),
    },
  });
}

/** Reads and parses a JSON body within `limitBytes` and `deadlineMs`. */
export async function jsonBody<T extends z.ZodType>(
  c: Context,
  schema: T,
  limits: { limitBytes: number; deadlineMs: number },
): Promise<z.output<T>> {
  let value: unknown;
  try {
    value = JSON.parse(await readText(c, limits));
  } catch (error) {
    if (error instanceof AppError) throw error;
    throw new AppError({
      code: 'request.invalid',
      family: 'invalid',
      message: 'The body of the request is not JSON.',
      cause: error,
    });
  }
  const parsed = schema.safeParse(value);
  if (!parsed.success) throw invalid('body', parsed.error);
  return parsed.data;
}

async function readText(c: Context, limits: { limitBytes: number; deadlineMs: number }): Promise<string> {
  const tooLarge = () =>
    new AppError({
      code: 'request.too-large',
      family: 'invalid',
      message: `The body of the request is larger than ${Math.floor(limits.limitBytes / 1024)} KiB.`,
    });
  if (Number(c.req.header('content-length') ?? 0) > limits.limitBytes) throw tooLarge();
  const body = c.req.raw.body;
  if (body === null) return '';
  const reader = body.getReader();
  const chunks: Uint8Array[] = [];
  let size = 0;
  const late = setTimeout(() => void reader.cancel(new Error('late')).catch(() => {}), limits.deadlineMs);
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) break;
      size += value.length;
      if (size > limits.limitBytes) {
        await reader.cancel().catch(() => {});
        throw tooLarge();
      }
      chunks.push(value);
    }
  } finally {
    clearTimeout(late);
  }
  return Buffer.concat(chunks).toString('utf8');
}
