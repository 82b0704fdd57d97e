import type { IncomingMessage, ServerResponse } from 'node:http';
import { Readable } from 'node:stream';
import { RESPONSE_ALREADY_SENT } from '@hono/node-server/utils/response';
import { type Context, Hono } from 'hono';
import { z } from 'zod';
import { AppError } from '../contract/error.ts';
import type { Membership } from '../contract/host.ts';
import { imageIdSchema, nameSchema, vmIdSchema } from '../contract/ids.ts';
import { type CallerRole, type NodeRoute, type NodeRouteName, nodeRoutes } from '../contract/routes.ts';
import { diskFormatSchema } from '../contract/vms.ts';
import type { Log } from '../log/log.ts';
import { answerError, invalid, jsonBody } from './answer.ts';
import { refusalOf } from './authorize.ts';
import { callerText } from './caller.ts';
import { type EventStreamEnv, streamEvents } from './events.ts';
import type { Caller, NodeHandlers, StreamHandlers } from './handlers.ts';

export type Bindings = { Bindings: { incoming: IncomingMessage; outgoing: ServerResponse } };
export type ApiContext = Context<Bindings>;

export type AppEnv = {
  handlers: NodeHandlers;
  streams: StreamHandlers;
  events: EventStreamEnv;
  membership(): Membership;
  callerOf(incoming: IncomingMessage): Caller;
  log: Log;
};

const managers: readonly CallerRole[] = ['engine', 'installer'];
const refusalEveryMs = 2_000;
const bodyLimits = { limitBytes: 2 * 1024 * 1024, deadlineMs: 30_000 };
const honoPath = (path: string) => path.replaceAll(/\{(\w+)\}/g, ':$1');

/** Makes the table of routes answer; what is besides the table (streams, uploads) too. `more` adds pairing or local routes. */
export function makeApp(env: AppEnv, more: (app: Hono<Bindings>) => void): Hono<Bindings> {
  const app = new Hono<Bindings>();
  app.onError((error, c) => answerError(c, error, env.log));
  app.notFound((c) => answerError(c, noSuchRoute(c.req.method, c.req.path), env.log));

  // Strangers may ask as often as they like; they may not fill the log.
  let told = Number.NEGATIVE_INFINITY;
  let untold = 0;
  const tellRefusal = (c: ApiContext, caller: Caller, code: string) => {
    const now = performance.now();
    if (now - told < refusalEveryMs) {
      untold++;
      return;
    }
    const { method, path } = c.req;
    env.log.warn('call refused', { method, path, caller: callerText(caller), code, untold });
    told = now;
    untold = 0;
  };
  const allow = (c: ApiContext, roles: readonly CallerRole[]): Caller => {
    const caller = env.callerOf(c.env.incoming);
    const refusal = refusalOf(roles, caller, env.membership());
    if (refusal !== undefined) {
      tellRefusal(c, caller, refusal.code);
      throw refusal;
    }
    return caller;
  };

  for (const name of Object.keys(nodeRoutes) as NodeRouteName[]) mountRoute(app, env, name, allow);

  app.get('/v1/events', async (c) => {
    allow(c, managers);
    await streamEvents(env.events, c.env.outgoing);
    return RESPONSE_ALREADY_SENT;
  });

  app.get('/v1/vms/:id/serial-log', async (c) => {
    allow(c, managers);
    const query = z
      .object({ bytes: z.coerce.number().int().min(1).max(16_777_216).default(65_536) })
      .safeParse(c.req.query());
    if (!query.success) throw invalid('query', query.error);
    const content = await env.streams.serialLog(parseParam(vmIdSchema, c.req.param('id')), query.data.bytes);
    return c.body(Buffer.from(content), 200, { 'content-type': 'text/plain; charset=utf-8' });
  });

  app.put('/v1/images/:id', async (c) => {
    allow(c, managers);
    const query = uploadSchema.safeParse(c.req.query());
    if (!query.success) throw invalid('query', query.error);
    const { size, ...rest } = query.data;
    const body = c.req.raw.body;
    const content = body === null ? Readable.from([]) : Readable.fromWeb(body as never); // two declarations of one web stream
    const upload = { id: parseParam(imageIdSchema, c.req.param('id')), sizeBytes: size, ...rest };
    return c.json(await env.streams.uploadImage(upload, content, c.req.raw.signal));
  });

  more(app);
  return app;
}

const uploadSchema = z.object({
  name: z.string().min(1).max(128),
  volume: nameSchema,
  format: diskFormatSchema,
  size: z.coerce.number().int().min(1),
});

function mountRoute(
  app: Hono<Bindings>,
  env: AppEnv,
  name: NodeRouteName,
  allow: (c: ApiContext, roles: readonly CallerRole[]) => Caller,
): void {
  const route: NodeRoute = nodeRoutes[name];
  // The table pairs each name with its own handler; the compiler cannot follow that through a variable name.
  const handler = env.handlers[name] as (call: {
    body: unknown;
    params: Record<string, string>;
    caller: Caller;
    signal: AbortSignal;
  }) => unknown;

  app.on(route.method, honoPath(route.path), async (c) => {
    const caller = allow(c, route.roles);
    const params = paramsOf(c);
    const body = route.body === undefined ? undefined : await jsonBody(c, route.body, bodyLimits);
    const began = performance.now();
    const reply = await handler({ body, params, caller, signal: c.req.raw.signal });
    const ms = Math.round(performance.now() - began);
    if (route.method !== 'GET' || ms > 1_000)
      env.log.info('call', { method: c.req.method, path: c.req.path, caller: callerText(caller), ms });
    return reply === undefined ? c.body(null, 204) : c.json(reply);
  });
}

/** Path segments are ids (UUIDs) or names; nothing else may reach a handler, which may make file names of them. */
function paramsOf(c: ApiContext): Record<string, string> {
  const given: Record<string, string> = c.req.param();
  return Object.fromEntries(
    Object.entries(given).map(([key, value]) => [
      key,
      parseParam(key === 'id' ? z.uuid().toLowerCase() : nameSchema, value),
    ]),
  );
}

function parseParam<T extends z.ZodType>(schema: T, value: string | undefined): z.output<T> {
  const parsed = schema.safeParse(value);
  if (!parsed.success) throw invalid('path', parsed.error);
  return parsed.data;
}

const noSuchRoute = (method: string, path: string): AppError =>
  new AppError({
    code: 'route.missing',
    family: 'missing',
    message: `There is no ${method} ${path.slice(0, 200)} here.`,
  });
