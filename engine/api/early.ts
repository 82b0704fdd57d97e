import { Hono } from 'hono';
import { AppError } from '../../node/contract/error.ts';
import type { Health } from '../contract/health.ts';
import { engineRoutes } from '../contract/routes.ts';
import type { Log } from '../log/log.ts';
import { errorResponse } from './errors.ts';
import type { ApiBindings } from './mount.ts';
import { securityHeaders } from './security.ts';
import type { StaticFiles } from './static.ts';

/** What answers until the engine is up: its health, the UI's files (which then wait), and a plain "not yet". */
export function makeEarlyApp(env: { health(): Health; files: StaticFiles; log: Log }): Hono<ApiBindings> {
  const app = new Hono<ApiBindings>();
  app.use('*', async (context, next) => {
    await next();
    for (const [name, value] of Object.entries(securityHeaders)) context.res.headers.set(name, value);
  });
  app.get(engineRoutes.getHealth.path, (context) => context.json(env.health(), 503));
  app.all('/api/*', () =>
    errorResponse(
      new AppError({
        code: 'engine.starting',
        family: 'unavailable',
        message: 'The engine is starting.',
        remedy: 'Try again in a moment.',
      }),
      'answering while the engine starts',
      // Expected, so not worth a line for each poll.
      { ...env.log, error: () => {} },
    ),
  );
  app.all('*', (context) => env.files(context.req.raw) ?? context.text('There is nothing here.', 404));
  return app;
}
