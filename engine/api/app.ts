import { Hono } from 'hono';
import { AppError } from '../../node/contract/error.ts';
import { openApiPath } from '../contract/routes.ts';
import type { Log } from '../log/log.ts';
import type { Sessions } from '../users/sessions.ts';
import { errorResponse } from './errors.ts';
import type { Handlers } from './handler.ts';
import { type ApiBindings, mountRoutes } from './mount.ts';
import { openApiDocument } from './openapi.ts';
import { securityHeaders } from './security.ts';
import type { StaticFiles } from './static.ts';

export type AppEnv = {
  handlers: Handlers;
  sessions: Sessions;
  log: Log;
  version: string;
  files: StaticFiles;
};

/** The whole HTTP face of the engine: the table of routes, its document, and the UI's files. */
export function makeApp(env: AppEnv): Hono<ApiBindings> {
  const app = new Hono<ApiBindings>();
  app.use('*', async (context, next) => {
    await next();
    for (const [name, value] of Object.entries(securityHeaders)) context.res.headers.set(name, value);
  });
  mountRoutes(app, env.handlers, env);
  let document: string | undefined;
  app.get(openApiPath, (context) => {
    document ??= JSON.stringify(openApiDocument(env.version));
    return context.body(document, 200, { 'content-type': 'application/json' });
  });
  app.all('/api/*', (context) =>
    errorResponse(noRoute(context.req.method, context.req.path), 'answering', env.log),
  );
  app.all('*', (context) => env.files(context.req.raw) ?? context.text('There is nothing here.', 404));
  app.onError((thrown) => errorResponse(thrown, 'answering a request', env.log));
  return app;
}

const noRoute = (method: string, path: string): AppError =>
  new AppError({
    code: 'route.missing',
    family: 'missing',
    message: `There is no ${method} ${path}.`,
    remedy: `See ${openApiPath} for what there is.`,
  });
