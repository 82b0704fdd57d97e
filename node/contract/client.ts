import type { z } from 'zod';
import { AppError, errorBodySchema } from './error.ts';
import { type NodeRoute, type NodeRouteName, nodeRoutes } from './routes.ts';

type Routes = typeof nodeRoutes;
type BodyOf<R> = R extends { body: infer B extends z.ZodType } ? { body: z.input<B> } : { body?: never };
type ReplyOf<R> = R extends { reply: infer P extends z.ZodType } ? z.output<P> : undefined;
type Segments<Path> = Path extends `${string}{${infer Name}}${infer Rest}` ? Name | Segments<Rest> : never;
type ParamsOf<R> = R extends { path: infer Path extends string }
  ? [Segments<Path>] extends [never]
    ? { params?: never }
    : { params: Record<Segments<Path>, string> }
  : never;

export type NodeCall<Name extends NodeRouteName> = BodyOf<Routes[Name]> & ParamsOf<Routes[Name]>;
export type NodeReply<Name extends NodeRouteName> = ReplyOf<Routes[Name]>;

/** Carries one request to a host and brings the answer; undefined body where there is none. Throws AppError when it cannot. */
export type NodeSend = (request: {
  method: NodeRoute['method'];
  path: string;
  body: unknown;
  signal: AbortSignal | undefined;
}) => Promise<{ status: number; body: unknown }>;

export type CallOptions = { signal?: AbortSignal };

/** A host's API, typed by the table of routes, over whatever carries the requests (mTLS, a unix socket, a test). */
export type NodeClient = {
  call<Name extends NodeRouteName>(
    name: Name,
    ...args: Record<never, never> extends NodeCall<Name>
      ? [NodeCall<Name>?, CallOptions?]
      : [NodeCall<Name>, CallOptions?]
  ): Promise<NodeReply<Name>>;
};

export function fillPath(path: string, params: Record<string, string> = {}): string {
  return path.replaceAll(/\{(\w+)\}/g, (_, name: string) => encodeURIComponent(params[name] ?? ''));
}

export function makeNodeClient(send: NodeSend): NodeClient {
  return {
    async call(name, ...args) {
      const route: NodeRoute = nodeRoutes[name];
      // for any route, in one plain type: over all routes the compiler's union has become too large
      const given: { params?: Record<string, string>; body?: unknown } | undefined = args[0];
      const path = fillPath(route.path, given?.params);
      const answer = await send({ method: route.method, path, body: given?.body, signal: args[1]?.signal });
      if (answer.status >= 400) {
        const parsed = errorBodySchema.safeParse(answer.body);
        if (parsed.success) throw AppError.fromBody(parsed.data);
        throw new AppError({
          code: 'host.unreadable',
          family: 'unavailable',
          message: `The host answered ${route.method} ${path} with status ${answer.status} and no explanation.`,
        });
      }
      // The reply's type follows from the route's schema, which has just checked it.
      if (route.reply === undefined) return undefined as NodeReply<typeof name>;
      const parsed = route.reply.safeParse(answer.body);
      if (!parsed.success)
        throw new AppError({
          code: 'host.unreadable',
          family: 'bug',
          message: `The host's answer to ${route.method} ${path} could not be understood.`,
          retry: 'later',
          cause: parsed.error,
        });
      return parsed.data as NodeReply<typeof name>;
    },
  };
}
