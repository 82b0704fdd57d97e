import type { z } from 'zod';
import type { EngineReply } from '../contract/client.ts';
import type { EngineRouteName, engineRoutes } from '../contract/routes.ts';
import type { SessionRecord } from '../users/store.ts';

type Routes = typeof engineRoutes;
type Parsed<R, Key extends string> = R extends { [K in Key]: infer S extends z.ZodType }
  ? z.output<S>
  : undefined;

/** Who asks: a session, its token, and the name that jobs and events show. */
export type Caller = { session: SessionRecord; token: string; name: string };

export type Call<Name extends EngineRouteName> = {
  params: Parsed<Routes[Name], 'params'>;
  query: Parsed<Routes[Name], 'query'>;
  body: Parsed<Routes[Name], 'body'>;
  /** undefined only where the route is public */
  caller: Routes[Name] extends { access: 'public' } ? undefined : Caller;
  /** the client's address */
  address: string;
  request: Request;
};

/** What a route does. A Response is sent as it is; anything else is the reply of the contract. */
export type Handlers = {
  [Name in EngineRouteName]: (call: Call<Name>) => Promise<EngineReply<Name> | Response>;
};
export type Some<Names extends EngineRouteName> = Pick<Handlers, Names>;
