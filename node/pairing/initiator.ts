import type { z } from 'zod';
import { AppError, errorBodySchema } from '../contract/error.ts';
import {
  type HostInfo,
  hostInfoSchema,
  type PreflightReport,
  type PreflightRequest,
  preflightReportSchema,
} from '../contract/host.ts';
import {
  type Join,
  type PairingStart,
  type PairingStarted,
  type PairQuestion,
  pairConfirmReplySchema,
  pairFinishReplySchema,
  pairLookReplySchema,
  pairStartReplySchema,
} from '../contract/pairing.ts';
import type { Log } from '../log/log.ts';
import type { ChannelTarget, InitiatorChannel } from './channel.ts';
import type { RandomBytes } from './code.ts';
import { beginExchange, finishExchange, finishText, type SharedKeys, sameHex } from './exchange.ts';
import { noSuchPairing, tampered, unreadable, wrongCode } from './failure.ts';

export type InitiatorEnv = {
  random: RandomBytes;
  newId(): string;
  /** runs `ended` once after `ms` unless cancelled */
  after(ms: number, ended: () => void): { cancel(): void };
  log: Log;
  tls(): { key: string; certificate: string };
  openChannel(target: ChannelTarget): Promise<InitiatorChannel>;
};

type Pairing = {
  session: string;
  address: string;
  channel: InitiatorChannel;
  keys: SharedKeys;
  idle: { cancel(): void };
};

/** A host's side as the one who pairs others for its cluster, on behalf of formation or the engine (the caller). */
export type Initiator = {
  start(request: PairingStart): Promise<PairingStarted>;
  host(id: string): Promise<HostInfo>;
  preflight(id: string, request: PreflightRequest): Promise<PreflightReport>;
  finish(id: string, join: Join): Promise<void>;
  forget(id: string): void;
  close(): void;
};

const idleMs = 120_000;
const lookMs = 120_000;

export function makeInitiator(env: InitiatorEnv): Initiator {
  const pairings = new Map<string, Pairing>();

  const forget = (id: string) => {
    const pairing = pairings.get(id);
    pairings.delete(id);
    pairing?.idle.cancel();
    pairing?.channel.close();
  };
  const idleFor = (id: string) => env.after(idleMs, () => forget(id));
  const pairingOf = (id: string): Pairing => {
    const pairing = pairings.get(id);
    if (pairing === undefined) throw noSuchPairing();
    pairing.idle.cancel();
    pairing.idle = idleFor(id);
    return pairing;
  };

  const ask = async <T extends z.ZodType>(id: string, what: PairQuestion, reply: T): Promise<z.output<T>> => {
    const { session, address, channel, keys } = pairingOf(id);
    const question = JSON.stringify(what);
    const mac = keys.mac('question', question);
    const seen = await channel.call('/pair/v1/look', { session, question, mac }, pairLookReplySchema, lookMs);
    if (!sameHex(seen.mac, keys.mac('answer', question, seen.answer))) throw tampered();
    const answer: unknown = JSON.parse(seen.answer);
    const failure = errorBodySchema.safeParse(answer);
    if (failure.success) throw AppError.fromBody(failure.data);
    const parsed = reply.safeParse(answer);
    if (!parsed.success) throw unreadable(address, parsed.error);
    return parsed.data;
  };

  return {
    start: async ({ address, port, code }) => {
      const channel = await env.openChannel({ address, port, ...env.tls() });
      try {
        const sid = env.random(16);
        const session = sid.toString('hex');
        const mine = beginExchange(code, channel.binding, sid, env.random(64));
        const started = await channel.call(
          '/pair/v1/start',
          { session, share: Buffer.from(mine.share).toString('hex') },
          pairStartReplySchema,
        );
        const keys = finishExchange(mine, Buffer.from(started.share, 'hex'), 'initiator');
        // The host confirms first. Without a right confirmation it gets none from us: it may not be the host at all.
        if (keys === undefined || !sameHex(started.confirmation, hexOf(keys.responderTag))) throw wrongCode();
        const confirmed = await channel.call(
          '/pair/v1/confirm',
          { session, confirmation: hexOf(keys.initiatorTag) },
          pairConfirmReplySchema,
        );
        if (!sameHex(confirmed.mac, keys.mac('csr', confirmed.hostId, confirmed.csr))) throw tampered();
        const id = env.newId();
        pairings.set(id, { session, address, channel, keys, idle: idleFor(id) });
        env.log.info('pairing with another host', { pairing: id, address, other: confirmed.hostId });
        return { id, hostId: confirmed.hostId, csr: confirmed.csr };
      } catch (error) {
        // Closing tells the other host at once that this try is over.
        channel.close();
        throw error;
      }
    },
    host: (id) => ask(id, { ask: 'host' }, hostInfoSchema),
    preflight: (id, request) => ask(id, { ask: 'preflight', request }, preflightReportSchema),
    finish: async (id, join) => {
      const { session, channel, keys } = pairingOf(id);
      const { clusterId, clusterName, hostName, certificate, caCertificate } = join;
      const fields = { session, clusterId, clusterName, hostName, certificate, caCertificate };
      const mac = keys.mac('finish', finishText(fields));
      await channel.call('/pair/v1/finish', { ...fields, mac }, pairFinishReplySchema);
      forget(id);
    },
    forget,
    close: () => {
      for (const id of [...pairings.keys()]) forget(id);
    },
  };
}

const hexOf = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');
