import type { z } from 'zod';
import { AppError, errorBodySchema } from '../../node/contract/error.ts';
import { csrfHeader, type EngineRoute, type EngineRouteName, engineRoutes } from './routes.ts';

type Routes = typeof engineRoutes;
type Part<R, Key extends string> = R extends { [K in Key]: infer S extends z.ZodType }
  ? Record<never, never> extends z.input<S>
    ? { [K in Key]?: z.input<S> }
    : { [K in Key]: z.input<S> }
  : { [K in Key]?: never };
type UploadOf<R> = R extends { transport: 'upload' } ? { upload: EngineUpload } : { upload?: never };
type ReplyOf<R> = R extends { reply: infer P extends z.ZodType } ? z.output<P> : undefined;

/** Bytes of an upload: a browser's File, or a stream of chunks with its length. */
export type EngineUpload = Blob | ReadableStream<Uint8Array>;
export type EngineCall<Name extends EngineRouteName> = Part<Routes[Name], 'params'> &
  Part<Routes[Name], 'query'> &
  Part<Routes[Name], 'body'> &
  UploadOf<Routes[Name]>;
export type EngineReply<Name extends EngineRouteName> = ReplyOf<Routes[Name]>;
export type EngineCallOptions = { signal?: AbortSignal };

export type EngineRequest = {
  method: EngineRoute['method'];
  /** with its query */
  path: string;
  body: unknown;
  upload: EngineUpload | undefined;
  expects: 'json' | 'text' | 'nothing';
  signal: AbortSignal | undefined;
};
/** Carries one request to the engine. `body` is parsed JSON, text, or undefined. Throws AppError `engine.unreachable`. */
export type EngineSend = (request: EngineRequest) => Promise<{ status: number; body: unknown }>;

/** The public API, typed by the table of routes. Replies are parsed; refusals are thrown as AppError. */
export type EngineClient = {
  call<Name extends EngineRouteName>(
    name: Name,
    ...args: Record<never, never> extends EngineCall<Name>
      ? [EngineCall<Name>?, EngineCallOptions?]
      : [EngineCall<Name>, EngineCallOptions?]
  ): Promise<EngineReply<Name>>;
};

type Given = {
  params?: Record<string, string>;
  query?: Record<string, unknown>;
  body?: unknown;
  upload?: EngineUpload;
};

export function fillPath(path: string, params: Record<string, string> = {}): string {
  return path.replaceAll(/\{(\w+)\}/g, (_, name: string) => encodeURIComponent(params[name] ?? ''));
}

export function queryString(query: Record<string, unknown> = {}): string {
  const given = Object.entries(query).filter(([, value]) => value !== undefined);
  const text = new URLSearchParams(given.map(([key, value]) => [key, String(value)])).toString();
  return text === '' ? '' : `?${text}`;
}

function unreadable(route: EngineRoute, why: string, cause?: unknown): AppError {
  return new AppError({
    code: 'engine.unreadable',
    family: 'bug',
    message: `The engine's answer to ${route.method} ${route.path} ${why}.`,
    remedy: 'Reload the page; the engine may have been updated.',
    retry: 'later',
    cause,
  });
}

export function makeEngineClient(send: EngineSend): EngineClient {
  return {
    async call(name, ...args) {
      const route: EngineRoute = engineRoutes[name];
      // What it may be is checked where it is called; the union over all routes is more than the compiler can spell.
      const [first, options] = args as readonly [Given?, EngineCallOptions?];
      const given: Given = first ?? {};
      const answer = await send({
        method: route.method,
        path: fillPath(route.path, given.params) + queryString(given.query),
        body: given.body,
        upload: given.upload,
        expects: route.reply === undefined ? 'nothing' : route.transport === 'text' ? 'text' : 'json',
        signal: options?.signal,
      });
      // Health answers 503 with its own body while the engine is not ready.
      const isAnswer = answer.status < 400 || name === 'getHealth';
      if (!isAnswer) {
        const refusal = errorBodySchema.safeParse(answer.body);
        throw refusal.success
          ? AppError.fromBody(refusal.data)
          : unreadable(route, `was status ${answer.status} without an explanation`);
      }
      // The reply's type follows from the route's schema, which checks it here.
      if (route.reply === undefined) return undefined as EngineReply<typeof name>;
      const parsed = route.reply.safeParse(answer.body);
      if (!parsed.success) throw unreadable(route, 'could not be understood', parsed.error);
      return parsed.data as EngineReply<typeof name>;
    },
  };
}

export type FetchSendOptions = {
  /** '' in the browser: the page's own origin */
  baseUrl?: string;
  /** bearer token, where there is no cookie */
  token?: () => string | undefined;
  /** the session's CSRF token, where there is a cookie */
  csrfToken?: () => string | undefined;
  fetch?: typeof globalThis.fetch;
};

const unreachable = (cause?: unknown) =>
  new AppError({
    code: 'engine.unreachable',
    family: 'unavailable',
    message: 'The engine does not answer.',
    remedy: 'It may be starting; try again in a moment.',
    cause,
  });

async function readBody(response: Response, expects: EngineRequest['expects']): Promise<unknown> {
  if (response.status === 204 || (response.ok && expects === 'nothing')) return undefined;
  const text = await response.text();
  if (response.ok && expects === 'text') return text;
  try {
    return JSON.parse(text);
  } catch (cause) {
    // A gateway or a dying engine answers with something that is not ours.
    if (response.status >= 502) throw unreachable(cause);
    return undefined;
  }
}

/** Sends with fetch: in the browser, and in Node where the certificate authority is known to it. */
export function makeFetchSend(options: FetchSendOptions = {}): EngineSend {
  const fetchIt = options.fetch ?? globalThis.fetch.bind(globalThis);
  return async ({ method, path, body, upload, expects, signal }) => {
    const token = options.token?.();
    const csrf = options.csrfToken?.();
    const headers: Record<string, string> = {
      accept: expects === 'text' ? 'text/plain' : 'application/json',
    };
    if (token !== undefined) headers['authorization'] = `Bearer ${token}`;
    if (csrf !== undefined && method !== 'GET') headers[csrfHeader] = csrf;
    if (upload !== undefined) headers['content-type'] = 'application/octet-stream';
    else if (body !== undefined) headers['content-type'] = 'application/json';
    const init: RequestInit & { duplex?: 'half' } = { method, headers, credentials: 'same-origin' };
    if (upload !== undefined) Object.assign(init, { body: upload, duplex: 'half' });
    else if (body !== undefined) init.body = JSON.stringify(body);
    if (signal !== undefined) init.signal = signal;
    let response: Response;
    try {
      response = await fetchIt(`${options.baseUrl ?? ''}${path}`, init);
    } catch (cause) {
      if (signal?.aborted) throw cause;
      // Where the carrier knows better why, that is the reason.
      if (cause instanceof Error && cause.cause instanceof AppError) throw cause.cause;
      throw unreachable(cause);
    }
    return { status: response.status, body: await readBody(response, expects) };
  };
}
