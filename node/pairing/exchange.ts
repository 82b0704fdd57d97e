import { createHmac, hkdfSync } from 'node:crypto';
import {
  generatorOf,
  lvCat,
  type Side,
  sameBytes,
  scalarOf,
  secretOf,
  sessionKeyOf,
  shareOf,
  tagOf,
} from './cpace.ts';

/**
 * What both ends of one TLS connection know and nobody between two connections can make equal: the exporter (RFC 8446
 * section 7.5; label below, no context) and the SHA-256 fingerprints of the two certificates that were shown.
 */
export type ChannelBinding = {
  exporter: Uint8Array;
  initiatorFingerprint: Uint8Array;
  responderFingerprint: Uint8Array;
};

export const exporterLabel = 'EXPERIMENTAL trefoil pairing';
export const exporterBytes = 32;

const text = (value: string) => Buffer.from(value, 'utf8');
const initiatorAd = text('initiator');
const responderAd = text('host');

const contextOf = (channel: ChannelBinding): Uint8Array =>
  lvCat(
    text('trefoil pairing 1'),
    channel.exporter,
    channel.initiatorFingerprint,
    channel.responderFingerprint,
  );

export type Exchange = { sid: Uint8Array; scalar: bigint; share: Uint8Array };

/** One side's half of a run. `random64` is used for this run alone. */
export function beginExchange(
  code: string,
  channel: ChannelBinding,
  sid: Uint8Array,
  random64: Uint8Array,
): Exchange {
  const scalar = scalarOf(random64);
  const generator = generatorOf(text(code), contextOf(channel), sid);
  return { sid, scalar, share: shareOf(generator, scalar) };
}

/** What a finished run gives: the two confirmations, and one HMAC key for each kind of message. */
export type SharedKeys = {
  initiatorTag: Uint8Array;
  responderTag: Uint8Array;
  mac(purpose: 'csr' | 'question' | 'answer' | 'finish', ...parts: readonly string[]): string;
};

/** undefined: the other side's share is no point of the group, or the neutral one. */
export function finishExchange(
  mine: Exchange,
  theirShare: Uint8Array,
  role: 'initiator' | 'responder',
): SharedKeys | undefined {
  const secret = secretOf(theirShare, mine.scalar);
  if (secret === undefined) return undefined;
  const [a, b] = role === 'initiator' ? [mine.share, theirShare] : [theirShare, mine.share];
  const initiator: Side = { share: a, ad: initiatorAd };
  const responder: Side = { share: b, ad: responderAd };
  const sessionKey = sessionKeyOf(mine.sid, secret, initiator, responder);
  return {
    initiatorTag: tagOf(mine.sid, sessionKey, initiator),
    responderTag: tagOf(mine.sid, sessionKey, responder),
    mac: (purpose, ...parts) => {
      const key = hkdfSync('sha256', sessionKey, mine.sid, text(`trefoil pairing 1 ${purpose}`), 32);
      return createHmac('sha256', Buffer.from(key))
        .update(lvCat(...parts.map(text)))
        .digest('hex');
    },
  };
}

export const sameHex = (one: string, other: string): boolean =>
  sameBytes(Buffer.from(one, 'hex'), Buffer.from(other, 'hex'));

/** The fields of `finish` in the contract's order: what its mac covers. */
export function finishText(finish: {
  session: string;
  clusterId: string;
  clusterName: string;
  hostName: string;
  certificate: string;
  caCertificate: string;
}): string {
  const { session, clusterId, clusterName, hostName, certificate, caCertificate } = finish;
  return JSON.stringify({ session, clusterId, clusterName, hostName, certificate, caCertificate });
}
