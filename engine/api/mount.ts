import type { Hono } from 'hono';
import { type EngineRoute, type EngineRouteName, engineRoutes } from '../contract/routes.ts';
import type { Log } from '../log/log.ts';
import { authorize, type Subject } from '../users/authorize.ts';
import type { Sessions } from '../users/sessions.ts';
import { callerOf } from './caller.ts';
import { errorResponse } from './errors.ts';
import type { Handlers } from './handler.ts';
import { parseWith, readJson } from './request.ts';

export type ApiBindings = { Bindings: { address: string } };
export type MountEnv = {
  sessions: Sessions;
  log: Log;
  /** the gate; a test puts one here that denies all */
  authorize?: typeof authorize;
};

const subjectKinds: Partial<Record<EngineRoute['tag'], NonNullable<Subject>['kind']>> = {
  vms: 'vm',
  hosts: 'host',
  jobs: 'job',
  storage: 'image',
};

function subjectOf(route: EngineRoute, params: Record<string, string>): Subject {
  const kind = subjectKinds[route.tag];
  const id = params['id'];
  return kind === undefined || id === undefined ? undefined : { kind, id };
}

/**
 * Mounts the whole table. In this order, for each request: who asks, whether they may, what they ask. A route that is not
 * public cannot be reached around the gate, because there is no other way in.
 */
export function mountRoutes(app: Hono<ApiBindings>, handlers: Handlers, env: MountEnv): void {
  // Fixed paths before those with parameters, or `discovered` would be taken for an id.
  const inOrder = Object.entries(engineRoutes).sort(
    ([, a], [, b]) => a.path.split('{').length - b.path.split('{').length,
  );
  for (const [name, route] of inOrder) {
    // The keys of the table are its names.
    mountRoute(app, name as EngineRouteName, route, handlers, env);
  }
}

function mountRoute(
  app: Hono<ApiBindings>,
  name: EngineRouteName,
  route: EngineRoute,
  handlers: Handlers,
  env: MountEnv,
): void {
  const path = route.path.replaceAll(/\{(\w+)\}/g, ':$1');
  // One handler for all names: what it is called with was parsed by this route's own schemas.
  const handle = handlers[name] as (call: unknown) => Promise<unknown>;
  app.on(route.method, path, async (context) => {
    const request = context.req.raw;
    try {
      const given = context.req.param() as Record<string, string>;
      const caller = route.access === 'public' ? undefined : await callerOf(env.sessions, request);
      if (caller !== undefined && route.access !== 'public')
        (env.authorize ?? authorize)(
          { name: caller.name, role: 'administrator' },
          route.access,
          subjectOf(route, given),
        );
      const params = route.params === undefined ? undefined : parseWith(route.params, given, 'path');
      const query =
        route.query === undefined ? undefined : parseWith(route.query, context.req.query(), 'query');
      const body =
        route.body === undefined ? undefined : parseWith(route.body, await readJson(request), 'body');
      const address = context.env.address;
      const reply = await handle({ params, query, body, caller, address, request });
      return reply instanceof Response ? reply : replyOf(route, reply);
    } catch (thrown) {
      return errorResponse(thrown, `${route.method} ${route.path}`, env.log);
    }
  });
}

function replyOf(route: EngineRoute, reply: unknown): Response {
  if (route.reply === undefined) return new Response(null, { status: 204 });
  if (route.transport === 'text')
    return new Response(String(reply), {
      headers: { 'content-type': 'text/plain; charset=utf-8', 'cache-control': 'no-store' },
    });
  return new Response(JSON.stringify(reply), {
    status: route.status,
    headers: { 'content-type': 'application/json', 'cache-control': 'no-store' },
  });
}
