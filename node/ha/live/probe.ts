/**
 * Direct probes between agents: "are you there, and does the store answer you?", on every network, several times a second.
 * UDP, so that an answer after a loss is not held up by TCP's retransmission; each datagram is proven by the cluster's
 * key (HMAC-SHA256, 16 bytes) and an answer by the question's random number, so that nobody on the network can make a
 * dead host look alive, or replay what it said once.
 *
 *   question  54 46 51 31 | from: 16 | to: 16 | number: 8 | mac: 16          "TFQ1"
 *   answer    54 46 41 31 | from: 16 | to: 16 | number: 8 | contact: 1 | mac: 16   "TFA1"
 */
import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import type { HostId } from '../../contract/ids.ts';

export type Question = { from: HostId; to: HostId; number: Buffer };
export type Answer = Question & { hasContact: boolean };

const questionMark = Buffer.from('TFQ1');
const answerMark = Buffer.from('TFA1');
const macBytes = 16;
export const questionBytes = 4 + 16 + 16 + 8 + macBytes;
export const answerBytes = questionBytes + 1;

const idBytes = (id: HostId): Buffer => Buffer.from(id.replaceAll('-', ''), 'hex');
function idOf(bytes: Buffer): HostId {
  const hex = bytes.toString('hex');
  const parts = [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)];
  return parts.join('-') as HostId;
}

function sealed(key: Buffer, body: Buffer): Buffer {
  const mac = createHmac('sha256', key).update(body).digest().subarray(0, macBytes);
  return Buffer.concat([body, mac]);
}

/** The bytes before the MAC when it is right. */
function opened(key: Buffer, datagram: Buffer, mark: Buffer, size: number): Buffer | undefined {
  if (datagram.length !== size || !datagram.subarray(0, 4).equals(mark)) return undefined;
  const body = datagram.subarray(0, size - macBytes);
  const mac = createHmac('sha256', key).update(body).digest().subarray(0, macBytes);
  return timingSafeEqual(mac, datagram.subarray(size - macBytes)) ? body : undefined;
}

export const newNumber = (): Buffer => randomBytes(8);

export const questionOf = (key: Buffer, { from, to, number }: Question): Buffer =>
  sealed(key, Buffer.concat([questionMark, idBytes(from), idBytes(to), number]));

export const answerOf = (key: Buffer, { from, to, number, hasContact }: Answer): Buffer =>
  sealed(
    key,
    Buffer.concat([answerMark, idBytes(from), idBytes(to), number, Buffer.from([hasContact ? 1 : 0])]),
  );

export function readQuestion(key: Buffer, datagram: Buffer): Question | undefined {
  const body = opened(key, datagram, questionMark, questionBytes);
  if (body === undefined) return undefined;
  return { from: idOf(body.subarray(4, 20)), to: idOf(body.subarray(20, 36)), number: body.subarray(36, 44) };
}

export function readAnswer(key: Buffer, datagram: Buffer): Answer | undefined {
  const body = opened(key, datagram, answerMark, answerBytes);
  if (body === undefined) return undefined;
  return {
    from: idOf(body.subarray(4, 20)),
    to: idOf(body.subarray(20, 36)),
    number: body.subarray(36, 44),
    hasContact: body[44] === 1,
  };
}
