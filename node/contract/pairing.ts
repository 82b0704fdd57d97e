import { z } from 'zod';
import { preflightRequestSchema } from './host.ts';
import { hostIdSchema, nameSchema } from './ids.ts';

/**
 * Pairing over the host's TLS port, three calls:
 *   POST /pair/v1/start   {session, share}         -> {session, share, confirmation}   one PAKE exchange with the code as password
 *   POST /pair/v1/confirm {session, confirmation}  -> {session, csr, mac}              only who knew the code gets here
 *   POST /pair/v1/look    {session, question, mac} -> {answer, mac}                    the host shows itself; changes nothing
 *   POST /pair/v1/finish  {session, membership...} -> {joined: true}                   the host is ours; the code is spent
 * Both sides bind the exchange to the TLS channel (exporter) and to both certificates' fingerprints, so that a relay
 * between two TLS connections ends with different keys. Five failed confirmations make a new code. `look` may be asked
 * any number of times between confirm and finish: who is about to take a host sees it first, and a host that does not fit
 * is left as it was, its code unspent.
 */
const hex = (bytes: number) => z.string().regex(new RegExp(`^[0-9a-f]{${bytes * 2}}$`));

export const pairingCodeSchema = z
  .string()
  .transform((value) => value.toUpperCase().replaceAll(/[\s-]/g, ''))
  .pipe(z.string().regex(/^[0-9A-HJKMNP-TV-Z]{8}$/, 'eight letters and digits, as the host shows them'));

export const pairStartRequestSchema = z.object({ session: hex(16), share: hex(32) });
export const pairStartReplySchema = z.object({ share: hex(32), confirmation: hex(32) });
export const pairConfirmRequestSchema = z.object({ session: hex(16), confirmation: hex(32) });
/** csr: PEM; mac: HMAC-SHA256 over it with the shared key */
export const pairConfirmReplySchema = z.object({
  hostId: hostIdSchema,
  csr: z.string().max(8192),
  mac: hex(32),
});
/** question: JSON of pairQuestionSchema; answer: JSON of hostInfoSchema or preflightReportSchema, or of an error body */
export const pairLookRequestSchema = z.object({
  session: hex(16),
  question: z.string().max(65_536),
  /** HMAC-SHA256 over `question` with the shared key; the answer's is made the same way */
  mac: hex(32),
});
export const pairLookReplySchema = z.object({ answer: z.string().max(1_048_576), mac: hex(32) });
export const pairQuestionSchema = z.discriminatedUnion('ask', [
  z.object({ ask: z.literal('host') }),
  z.object({ ask: z.literal('preflight'), request: preflightRequestSchema }),
]);

export const pairFinishRequestSchema = z.object({
  session: hex(16),
  clusterId: z.uuid(),
  clusterName: z.string().min(1).max(63),
  hostName: nameSchema,
  /** PEM */
  certificate: z.string().max(16_384),
  caCertificate: z.string().max(16_384),
  /** HMAC-SHA256 over the JSON of all the fields above, in this order */
  mac: hex(32),
});
export const pairFinishReplySchema = z.object({ joined: z.literal(true) });

/**
 * POST /v1/pairings on a host that may pair for the cluster (or, before there is one, on its unix socket): it runs the
 * exchange with the other host and answers with that host's authenticated certificate request. The caller signs it and
 * finishes; before that it may look: GET /v1/pairings/{id}/host, POST /v1/pairings/{id}/preflight. A pairing is forgotten
 * two minutes after it was last used, or by DELETE /v1/pairings/{id}: the other host stays unjoined and keeps its code.
 */
export const pairingStartSchema = z.object({
  address: z.string(),
  port: z.number().int().min(1).max(65_535).default(7440),
  code: pairingCodeSchema,
});
export const pairingStartedSchema = z.object({ id: z.uuid(), hostId: hostIdSchema, csr: z.string() });
export const joinSchema = z.object({
  clusterId: z.uuid(),
  clusterName: z.string().min(1).max(63),
  hostName: nameSchema,
  /** PEM */
  certificate: z.string().max(16_384),
  caCertificate: z.string().max(16_384),
});

/** POST /local/v1/csr and POST /local/v1/join (joinSchema): how the first host becomes the cluster's, by its unix socket */
export const localCsrSchema = z.object({ hostId: hostIdSchema, csr: z.string() });

/** GET /local/v1/pairing on the host's unix socket */
export const localPairingSchema = z.object({
  code: z.string(),
  triesLeft: z.number().int(),
  fingerprint: z.string(),
});

export type PairingStart = z.infer<typeof pairingStartSchema>;
export type PairingStarted = z.infer<typeof pairingStartedSchema>;
export type Join = z.infer<typeof joinSchema>;
export type PairStartRequest = z.infer<typeof pairStartRequestSchema>;
export type PairStartReply = z.infer<typeof pairStartReplySchema>;
export type PairConfirmRequest = z.infer<typeof pairConfirmRequestSchema>;
export type PairConfirmReply = z.infer<typeof pairConfirmReplySchema>;
export type PairFinishRequest = z.infer<typeof pairFinishRequestSchema>;
export type PairLookRequest = z.infer<typeof pairLookRequestSchema>;
export type PairLookReply = z.infer<typeof pairLookReplySchema>;
export type PairQuestion = z.infer<typeof pairQuestionSchema>;
