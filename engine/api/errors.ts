import { type AppError, asAppError, httpStatusOf } from '../../node/contract/error.ts';
import type { Log } from '../log/log.ts';

/** Codes whose HTTP status says more than their family's. */
const statusOfCode: Record<string, number> = {
  'session.required': 401,
  'session.wrong-login': 401,
  'session.too-many-tries': 429,
  'request.too-large': 413,
};

const statusOf = (error: AppError): number => statusOfCode[error.code] ?? httpStatusOf[error.family];

/** The one place where what was thrown becomes an answer. What nobody foresaw is logged whole and told in general. */
export function errorResponse(thrown: unknown, doing: string, log: Log): Response {
  const error = asAppError(thrown, doing);
  const status = statusOf(error);
  if (status >= 500) log.error(`could not answer: ${doing}`, thrown, { code: error.code });
  const headers: Record<string, string> = { 'content-type': 'application/json', 'cache-control': 'no-store' };
  const wait = error.details?.['retryAfterSeconds'];
  if (typeof wait === 'number') headers['retry-after'] = String(wait);
  if (status === 401) headers['www-authenticate'] = 'Bearer';
  return new Response(JSON.stringify(error.toBody()), { status, headers });
}
