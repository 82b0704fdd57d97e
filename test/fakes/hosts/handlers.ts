import { setTimeout as delay } from 'node:timers/promises';
import type { z } from 'zod';
import type { NodeReply } from '../../../node/contract/client.ts';
import { AppError, type ErrorFamily } from '../../../node/contract/error.ts';
import type { NodeEvent } from '../../../node/contract/events.ts';
import type { NodeRouteName, nodeRoutes } from '../../../node/contract/routes.ts';
import type { FakeHost, FakeWorld } from './model.ts';

type Routes = typeof nodeRoutes;
type BodyOf<R> = R extends { body: infer B extends z.ZodType } ? z.output<B> : undefined;

export type HandlerCall<Name extends NodeRouteName> = {
  world: FakeWorld;
  host: FakeHost;
  params: Record<string, string>;
  body: BodyOf<Routes[Name]>;
};
export type Handlers = {
  [Name in NodeRouteName]: (call: HandlerCall<Name>) => NodeReply<Name> | Promise<NodeReply<Name>>;
};

export const refuse = (family: ErrorFamily, code: string, message: string, remedy?: string): AppError =>
  new AppError({ family, code, message, ...(remedy === undefined ? {} : { remedy }) });

/** Waits as long as the real thing would, by the world's pace. */
export const takes = async (world: FakeWorld, ms: number): Promise<void> => {
  if (world.pace > 0) await delay(ms * world.pace);
};

/** Something that goes on after the answer; at once when the world's pace is 0. */
export const later = (world: FakeWorld, ms: number, body: () => void): void => {
  if (world.pace === 0) body();
  else setTimeout(body, ms * world.pace).unref();
};

export const emit = (host: FakeHost, event: NodeEvent): void => void host.events.emit('event', event);

export const needGeneration = (given: number, present: number | undefined, what: string): void => {
  if (present !== undefined && given < present)
    throw refuse(
      'conflict',
      'generation.old',
      `${what} already has generation ${present}; ${given} is older.`,
      'Read the present state and send a newer generation.',
    );
};
