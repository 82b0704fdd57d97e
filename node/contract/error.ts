import { z } from 'zod';

/** Whether doing the same again can help: never, later on the same host, or on another host. */
export const retrySchema = z.enum(['never', 'later', 'other-host']);

/** The four families decide the HTTP status: invalid 400, denied 401/403, conflict 409, missing 404, unavailable 503, bug 500. */
export const errorFamilySchema = z.enum(['invalid', 'denied', 'missing', 'conflict', 'unavailable', 'bug']);

/** What every Trefoil API answers when it does not do what was asked. `message` is a plain sentence for a person. */
export const errorBodySchema = z.object({
  error: z.object({
    /** noun.reason, e.g. `vm.not-running` */
    code: z.string().regex(/^[a-z][a-z0-9-]*(\.[a-z0-9-]+)+$/),
    family: errorFamilySchema,
    message: z.string(),
    /** what to do next, a plain sentence; absent when there is nothing to do */
    remedy: z.string().optional(),
    retry: retrySchema,
    details: z.record(z.string(), z.unknown()).optional(),
  }),
});

export type Retry = z.infer<typeof retrySchema>;
export type ErrorFamily = z.infer<typeof errorFamilySchema>;
export type ErrorBody = z.infer<typeof errorBodySchema>;

export type AppErrorInit = {
  code: string;
  family: ErrorFamily;
  message: string;
  remedy?: string;
  retry?: Retry;
  details?: Record<string, unknown>;
  cause?: unknown;
};

/** The one error type of all programs. Wrap at a boundary; never repeat the cause's text in `message`. */
export class AppError extends Error {
  readonly code: string;
  readonly family: ErrorFamily;
  readonly remedy: string | undefined;
  readonly retry: Retry;
  readonly details: Record<string, unknown> | undefined;

  constructor(init: AppErrorInit) {
    super(init.message, init.cause === undefined ? undefined : { cause: init.cause });
    this.name = 'AppError';
    this.code = init.code;
    this.family = init.family;
    this.remedy = init.remedy;
    this.retry = init.retry ?? (init.family === 'unavailable' ? 'later' : 'never');
    this.details = init.details;
  }

  toBody(): ErrorBody {
    return {
      error: {
        code: this.code,
        family: this.family,
        message: this.message,
        retry: this.retry,
        ...(this.remedy === undefined ? {} : { remedy: this.remedy }),
        ...(this.details === undefined ? {} : { details: this.details }),
      },
    };
  }

  static fromBody(body: ErrorBody, cause?: unknown): AppError {
    const { code, family, message, remedy, retry, details } = body.error;
    return new AppError({
      code,
      family,
      message,
      retry,
      cause,
      ...(remedy === undefined ? {} : { remedy }),
      ...(details === undefined ? {} : { details }),
    });
  }
}

export const httpStatusOf = {
  invalid: 400,
  denied: 403,
  missing: 404,
  conflict: 409,
  unavailable: 503,
  bug: 500,
} as const satisfies Record<ErrorFamily, number>;

/** Makes an AppError of anything that was thrown; what we did not foresee is a bug and says so. */
export function asAppError(thrown: unknown, doing: string): AppError {
  if (thrown instanceof AppError) return thrown;
  return new AppError({
    code: 'internal.bug',
    family: 'bug',
    message: `Something unexpected went wrong while ${doing}.`,
    remedy: 'Try again; if it stays, collect a support bundle and report it.',
    retry: 'later',
    cause: thrown,
  });
}

/** The whole chain of causes on one line, for logs only. */
export function errorChain(thrown: unknown): string {
  const parts: string[] = [];
  let current: unknown = thrown;
  while (current !== undefined && current !== null && parts.length < 8) {
    if (current instanceof AppError) parts.push(`${current.code}: ${current.message}`);
    else if (current instanceof Error) parts.push(`${current.name}: ${current.message}`);
    else parts.push(String(current));
    current = current instanceof Error ? current.cause : undefined;
  }
  return parts.join(' <- ');
}
