import { getRequestListener } from '@hono/node-server';
import type { Hono } from 'hono';
import { answerUnreadable } from '../api/answer.ts';
import { type AppEnv, type Bindings, makeApp } from '../api/app.ts';
import { tlsCallerOf } from '../api/caller.ts';
import { snapshotOf } from '../api/events.ts';
import type { Caller, NodeHandlers, StreamHandlers } from '../api/handlers.ts';
import { mountLocal } from '../api/routes-local.ts';
import { mountPairing } from '../api/routes-pairing.ts';
import { type Listeners, openLocalDoor, openTlsDoor } from '../api/server.ts';
import { answerUpgrade } from '../api/upgrade.ts';
import type { NodeEvent } from '../contract/events.ts';
import { makeChannels } from '../pairing/channel.ts';
import type { Base } from './base.ts';
import type { Member } from './member.ts';

export type DoorsOf = {
  handlers: NodeHandlers;
  streams: StreamHandlers;
  member: Pick<Member, 'responder' | 'announcement'>;
  /** each room's part of what an event stream begins with */
  present: readonly (() => Promise<NodeEvent[]>)[];
};

const heartbeatMs = 5_000;
const maxUnreadBytes = 4 * 1024 * 1024;

/** The door to the network and root's own, on one table of routes. */
export async function openDoors(base: Base, of: DoorsOf): Promise<{ port: number; close(): Promise<void> }> {
  const { identity, log, options } = base;
  const { responder, announcement } = of.member;
  const { membership } = identity;

  const listeners = (callerOf: AppEnv['callerOf'], more: (app: Hono<Bindings>) => void): Listeners => {
    const snapshot = () => snapshotOf(log, of.present);
    const env: AppEnv = {
      handlers: of.handlers,
      streams: of.streams,
      events: { hub: base.hub, snapshot, heartbeatMs, maxUnreadBytes },
      membership,
      callerOf,
      log,
    };
    return {
      request: getRequestListener(makeApp(env, more).fetch, { errorHandler: answerUnreadable }),
      upgrade: (incoming, socket, head) => void answerUpgrade(env, incoming, socket, head),
    };
  };

  const root: Caller = { kind: 'local' };
  const local = await openLocalDoor(
    `${options.runDirectory}/node.sock`,
    listeners(
      () => root,
      (app) => mountLocal(app, { membership, identity, code: responder.status }),
    ),
  );
  const channelOf = makeChannels((channel) => responder.closed(channel));
  const tls = await openTlsDoor({
    host: '::',
    port: options.port,
    tls: identity.tls,
    onIdentityChange: identity.onChange,
    listeners: listeners(tlsCallerOf, (app) =>
      mountPairing(app, { responder, announcement, membership, channelOf }),
    ),
  });
  return {
    port: tls.port,
    close: async () => {
      await Promise.all([tls.close(), local.close()]);
    },
  };
}
