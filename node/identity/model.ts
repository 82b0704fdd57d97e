import { X509Certificate } from 'node:crypto';
import { z } from 'zod';
import { AppError } from '../contract/error.ts';
import { hostIdSchema } from '../contract/ids.ts';
import { type Join, joinSchema } from '../contract/pairing.ts';
import { subjectOf } from './certificate.ts';

/** identity.json: made once, at the first start, and never changed: the host stays itself whatever cluster it is in. */
export const identityFileSchema = z.object({
  format: z.literal(1),
  id: hostIdSchema,
  createdAt: z.iso.datetime(),
  /** PKCS #8, PEM */
  key: z.string(),
  /** PEM */
  selfSigned: z.string(),
});

/** membership.json: there when and only when the host has joined a cluster. */
export const membershipFileSchema = joinSchema.extend({
  format: z.literal(1),
  joinedAt: z.iso.datetime(),
});

export type IdentityFile = z.infer<typeof identityFileSchema>;
export type MembershipFile = z.infer<typeof membershipFileSchema>;

const refused = (message: string, cause?: unknown): AppError =>
  new AppError({
    code: 'membership.unfit',
    family: 'invalid',
    message,
    remedy: 'Pair the host again, so that its certificate is made anew.',
    cause,
  });

/** Everything that would make this host unreachable after the join, found before anything is written. */
export function checkJoin(identity: Pick<IdentityFile, 'id' | 'selfSigned'>, join: Join, now: Date): void {
  let certificate: X509Certificate;
  let ca: X509Certificate;
  try {
    certificate = new X509Certificate(join.certificate);
    ca = new X509Certificate(join.caCertificate);
  } catch (error) {
    throw refused('The certificate that this host was given cannot be read.', error);
  }
  const own = new X509Certificate(identity.selfSigned).publicKey.export({ type: 'spki', format: 'der' });
  if (!certificate.publicKey.export({ type: 'spki', format: 'der' }).equals(own))
    throw refused("The certificate that this host was given is for another host's key.");
  if (!ca.ca || !ca.verify(ca.publicKey))
    throw refused("The cluster's certificate authority has no valid certificate of its own.");
  if (!certificate.checkIssued(ca) || !certificate.verify(ca.publicKey))
    throw refused("The certificate that this host was given is not signed by the cluster's authority.");
  const subject = subjectOf(certificate);
  if (subject === undefined || subject.id !== identity.id || subject.role !== 'host')
    throw refused('The certificate that this host was given names another host or another role.');
  if (certificate.validToDate.getTime() <= now.getTime())
    throw refused('The certificate that this host was given has already expired by its clock.');
  if (certificate.validFromDate.getTime() > now.getTime())
    throw refused(
      `The certificate that this host was given is not valid yet: its clock says ${now.toISOString()}.`,
    );
}
