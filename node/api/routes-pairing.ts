import type { IncomingMessage } from 'node:http';
import type { Hono } from 'hono';
import { AppError } from '../contract/error.ts';
import type { Announcement, Membership } from '../contract/host.ts';
import {
  pairConfirmRequestSchema,
  pairFinishRequestSchema,
  pairLookRequestSchema,
  pairStartRequestSchema,
} from '../contract/pairing.ts';
import type { PairingChannel, Responder } from '../pairing/responder.ts';
import { jsonBody } from './answer.ts';
import type { Bindings } from './app.ts';
import { pairingRefusalOf } from './authorize.ts';

export type PairingRoutesEnv = {
  responder: Responder;
  announcement(): Promise<Announcement>;
  membership(): Membership;
  channelOf(incoming: IncomingMessage): PairingChannel | undefined;
};

const limits = { limitBytes: 128 * 1024, deadlineMs: 10_000 };

/** All that an unjoined host answers on the network. Once joined only the announcement is left, which mDNS tells anyhow. */
export function mountPairing(app: Hono<Bindings>, env: PairingRoutesEnv): void {
  const { responder } = env;
  const channelOf = (incoming: IncomingMessage): PairingChannel => {
    const refusal = pairingRefusalOf(env.membership());
    if (refusal !== undefined) throw refusal;
    const channel = env.channelOf(incoming);
    if (channel === undefined) throw noCertificate();
    return channel;
  };

  app.get('/pair/v1/host', async (c) => c.json(await env.announcement()));
  app.post('/pair/v1/start', async (c) => {
    const channel = channelOf(c.env.incoming);
    return c.json(responder.start(channel, await jsonBody(c, pairStartRequestSchema, limits)));
  });
  app.post('/pair/v1/confirm', async (c) => {
    const channel = channelOf(c.env.incoming);
    return c.json(await responder.confirm(channel, await jsonBody(c, pairConfirmRequestSchema, limits)));
  });
  app.post('/pair/v1/look', async (c) => {
    const channel = channelOf(c.env.incoming);
    return c.json(await responder.look(channel, await jsonBody(c, pairLookRequestSchema, limits)));
  });
  app.post('/pair/v1/finish', async (c) => {
    const channel = channelOf(c.env.incoming);
    await responder.finish(channel, await jsonBody(c, pairFinishRequestSchema, limits));
    return c.json({ joined: true });
  });
}

const noCertificate = (): AppError =>
  new AppError({
    code: 'pairing.no-certificate',
    family: 'denied',
    message:
      'Who pairs with a host must show a certificate of its own, so that the pairing can be bound to it.',
  });
