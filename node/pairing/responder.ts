import { AppError, asAppError } from '../contract/error.ts';
import type { HostId } from '../contract/ids.ts';
import {
  type Join,
  type PairConfirmReply,
  type PairConfirmRequest,
  type PairFinishRequest,
  type PairLookReply,
  type PairLookRequest,
  type PairQuestion,
  type PairStartReply,
  type PairStartRequest,
  pairQuestionSchema,
} from '../contract/pairing.ts';
import type { Log } from '../log/log.ts';
import { newCode, type RandomBytes } from './code.ts';
import {
  beginExchange,
  type ChannelBinding,
  finishExchange,
  finishText,
  type SharedKeys,
  sameHex,
} from './exchange.ts';
import { noSuchPairing, notFree, replayed, tampered, tooManyTries, wrongCode } from './failure.ts';

export const pairingLimits = {
  tries: 5,
  /** how many runs may be under way at once */
  sessions: 4,
  startedMs: 60_000,
  confirmedMs: 120_000,
  /** a bucket of this many starts, one more every `startEveryMs` */
  starts: 10,
  startEveryMs: 6_000,
} as const;

/** One TLS connection: a run lives and dies with it. */
export type PairingChannel = { binding: ChannelBinding };

export type ResponderEnv = {
  now(): number;
  random: RandomBytes;
  log: Log;
  host: {
    id: HostId;
    joined(): boolean;
    csr(): Promise<string>;
    join(join: Join): Promise<void>;
    /** shows the host to who is about to take it; changes nothing */
    look(question: PairQuestion): Promise<unknown>;
  };
};

type Session = {
  id: string;
  channel: PairingChannel;
  keys: SharedKeys;
  state: 'started' | 'confirmed';
  expiresAt: number;
};

/**
 * The host's side of pairing; see README.md for the protocol and why it is safe. Ground rules:
 * - Each `start` costs one of the code's five tries at once, because its answer lets the other side check one guess.
 *   Only a correct `confirm` gives the tries back.
 * - A run belongs to the TLS connection that started it. When that closes, an unconfirmed run has failed.
 * - No tries left and no run under way: a new code. The joining itself spends the code, nothing else does.
 * - Nothing is written to disk; after a restart of the agent the code is another one.
 */
export type Responder = {
  status(): { code: string; triesLeft: number };
  start(channel: PairingChannel, request: PairStartRequest): PairStartReply;
  confirm(channel: PairingChannel, request: PairConfirmRequest): Promise<PairConfirmReply>;
  look(channel: PairingChannel, request: PairLookRequest): Promise<PairLookReply>;
  finish(channel: PairingChannel, request: PairFinishRequest): Promise<void>;
  closed(channel: PairingChannel): void;
  /** ends what is overdue; also done by every call */
  sweep(): void;
  onCode(listener: () => void): () => void;
};

export function makeResponder(env: ResponderEnv): Responder {
  const sessions = new Map<string, Session>();
  const seen = new Set<string>();
  const listeners = new Set<() => void>();
  let code = newCode(env.random);
  let triesLeft: number = pairingLimits.tries;
  let starts: number = pairingLimits.starts;
  let startsAt = env.now();

  const renew = (why: string) => {
    code = newCode(env.random);
    triesLeft = pairingLimits.tries;
    seen.clear();
    env.log.info('pairing code renewed', { why });
    for (const listener of listeners) listener();
  };

  const fail = (session: Session, why: string) => {
    sessions.delete(session.id);
    if (session.state !== 'started') return;
    env.log.warn('pairing try failed', { why, triesLeft });
    const underWay = [...sessions.values()].some((other) => other.state === 'started');
    if (triesLeft === 0 && !underWay) renew('no tries left');
  };

  const sweep = () => {
    for (const session of [...sessions.values()])
      if (env.now() >= session.expiresAt) fail(session, 'not confirmed in time');
  };

  const takeStart = (): boolean => {
    const due = Math.floor((env.now() - startsAt) / pairingLimits.startEveryMs);
    if (due > 0) {
      starts = Math.min(pairingLimits.starts, starts + due);
      startsAt += due * pairingLimits.startEveryMs;
    }
    if (starts === 0) return false;
    starts--;
    return true;
  };

  const sessionOf = (channel: PairingChannel, id: string, state: Session['state']): Session => {
    sweep();
    if (env.host.joined()) throw notFree();
    const session = sessions.get(id);
    // Another connection is another channel: its exporter would not fit, and it must not learn that the run exists.
    if (session === undefined || session.channel !== channel || session.state !== state)
      throw noSuchPairing();
    return session;
  };

  return {
    status: () => {
      sweep();
      return { code, triesLeft };
    },

    start: (channel, request) => {
      sweep();
      if (env.host.joined()) throw notFree();
      if (sessions.size >= pairingLimits.sessions || !takeStart()) throw tooManyTries();
      if (triesLeft === 0) throw tooManyTries();
      if (seen.has(request.session)) throw replayed();
      const sid = Buffer.from(request.session, 'hex');
      const mine = beginExchange(code, channel.binding, sid, env.random(64));
      const keys = finishExchange(mine, Buffer.from(request.share, 'hex'), 'responder');
      // A share that is no point tells its sender nothing, so it costs no try.
      if (keys === undefined) throw wrongCode(triesLeft);
      triesLeft--;
      if (seen.size >= 1000) seen.clear();
      seen.add(request.session);
      sessions.set(request.session, {
        id: request.session,
        channel,
        keys,
        state: 'started',
        expiresAt: env.now() + pairingLimits.startedMs,
      });
      env.log.info('pairing started', { session: request.session, triesLeft });
      return {
        share: Buffer.from(mine.share).toString('hex'),
        confirmation: Buffer.from(keys.responderTag).toString('hex'),
      };
    },

    confirm: async (channel, request) => {
      const session = sessionOf(channel, request.session, 'started');
      if (!sameHex(request.confirmation, Buffer.from(session.keys.initiatorTag).toString('hex'))) {
        const left = triesLeft;
        fail(session, 'wrong code');
        throw wrongCode(left);
      }
      session.state = 'confirmed';
      session.expiresAt = env.now() + pairingLimits.confirmedMs;
      triesLeft = pairingLimits.tries;
      env.log.info('pairing confirmed', { session: session.id });
      const csr = await env.host.csr();
      return { hostId: env.host.id, csr, mac: session.keys.mac('csr', env.host.id, csr) };
    },

    look: async (channel, request) => {
      const session = sessionOf(channel, request.session, 'confirmed');
      if (!sameHex(request.mac, session.keys.mac('question', request.question))) throw tampered();
      session.expiresAt = env.now() + pairingLimits.confirmedMs;
      const answer = JSON.stringify(await answerTo(env, request.question));
      session.expiresAt = env.now() + pairingLimits.confirmedMs;
      return { answer, mac: session.keys.mac('answer', request.question, answer) };
    },

    finish: async (channel, request) => {
      const session = sessionOf(channel, request.session, 'confirmed');
      if (!sameHex(request.mac, session.keys.mac('finish', finishText(request)))) throw tampered();
      const { clusterId, clusterName, hostName, certificate, caCertificate } = request;
      await env.host.join({ clusterId, clusterName, hostName, certificate, caCertificate });
      sessions.clear();
      renew('used');
    },

    closed: (channel) => {
      for (const session of [...sessions.values()])
        if (session.channel === channel) fail(session, 'connection closed');
    },

    sweep,
    onCode: (listener) => {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
  };
}

/** The answer travels inside the pairing's own envelope, so an error does too. */
async function answerTo(env: ResponderEnv, question: string): Promise<unknown> {
  try {
    const parsed = pairQuestionSchema.safeParse(JSON.parse(question));
    if (!parsed.success)
      throw new AppError({
        code: 'request.invalid',
        family: 'invalid',
        message: 'What was asked while pairing could not be understood.',
        cause: parsed.error,
      });
    return await env.host.look(parsed.data);
  } catch (error) {
    const wrapped = asAppError(error, 'looking at this host');
    env.log.error('pairing look failed', error);
    return wrapped.toBody();
  }
}
