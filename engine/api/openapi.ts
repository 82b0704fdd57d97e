import { OpenAPIHono } from '@hono/zod-openapi';
import { errorBodySchema } from '../../node/contract/error.ts';
import { type EngineRoute, engineRoutes } from '../contract/routes.ts';

type Registered = Parameters<OpenAPIHono['openAPIRegistry']['registerPath']>[0];

const errorResponses = {
  '4XX': { description: 'Refused; the body says why and what helps.', content: json(errorBodySchema) },
  '5XX': {
    description: 'Not possible now; the body says whether to try again.',
    content: json(errorBodySchema),
  },
};

function json(schema: NonNullable<EngineRoute['reply']>) {
  return { 'application/json': { schema } };
}

function replyContent(route: EngineRoute) {
  if (route.reply === undefined) return undefined;
  if (route.transport === 'text') return { 'text/plain': { schema: route.reply } };
  if (route.transport === 'events')
    return { ...json(route.reply), 'text/event-stream': { schema: { type: 'string' as const } } };
  return json(route.reply);
}

function pathOf(name: string, route: EngineRoute): Registered {
  const content = replyContent(route);
  const body =
    route.transport === 'upload'
      ? {
          content: {
            'application/octet-stream': { schema: { type: 'string' as const, format: 'binary' } },
          },
        }
      : route.body === undefined
        ? undefined
        : { content: json(route.body) };
  return {
    // HTTP methods are lower case in this format, and ours are all among them.
    method: route.method.toLowerCase() as Registered['method'],
    path: route.path,
    operationId: name,
    summary: route.summary,
    tags: [route.tag],
    security: route.access === 'public' ? [] : [{ token: [] }, { cookie: [] }],
    request: {
      ...(route.params === undefined ? {} : { params: route.params }),
      ...(route.query === undefined ? {} : { query: route.query }),
      ...(body === undefined ? {} : { body }),
    },
    responses: {
      [route.status]: { description: 'Done.', ...(content === undefined ? {} : { content }) },
      ...errorResponses,
    },
  };
}

/** The OpenAPI 3.1 document, from the table of routes and nothing else. */
export function openApiDocument(version: string): object {
  const { openAPIRegistry: registry } = new OpenAPIHono();
  registry.registerComponent('securitySchemes', 'token', { type: 'http', scheme: 'bearer' });
  registry.registerComponent('securitySchemes', 'cookie', {
    type: 'apiKey',
    in: 'cookie',
    name: '__Host-trefoil-session',
  });
  const app = new OpenAPIHono();
  for (const definition of registry.definitions) app.openAPIRegistry.definitions.push(definition);
  for (const [name, route] of Object.entries(engineRoutes))
    app.openAPIRegistry.registerPath(pathOf(name, route));
  return app.getOpenAPI31Document({
    openapi: '3.1.0',
    info: {
      title: 'Trefoil',
      version,
      description:
        'The API of the Trefoil engine. Whatever changes something is answered with the job that does it.',
    },
    servers: [{ url: '/' }],
  });
}
