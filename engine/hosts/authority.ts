import 'reflect-metadata';
import { createPrivateKey, randomBytes } from 'node:crypto';
import { isIP } from 'node:net';
import {
  AuthorityKeyIdentifierExtension,
  BasicConstraintsExtension,
  ExtendedKeyUsageExtension,
  type JsonGeneralName,
  KeyUsageFlags,
  KeyUsagesExtension,
  Name,
  Pkcs10CertificateRequest,
  SubjectAlternativeNameExtension,
  SubjectKeyIdentifierExtension,
  X509Certificate,
  X509CertificateGenerator,
} from '@peculiar/x509';
import { AppError } from '../../node/contract/error.ts';

/** The cluster's certificate authority; its key lives in the cluster's store and is here only while it signs. */
export type Authority = { certificate: string; key: string };

const algorithm = { name: 'ECDSA', namedCurve: 'P-256' } as const;
const day = 86_400_000;
const hostDays = 10 * 365;
const serverAndClient = ['1.3.6.1.5.5.7.3.1', '1.3.6.1.5.5.7.3.2'];

async function publicKeyOf(csr: string): Promise<CryptoKey> {
  try {
    const request = new Pkcs10CertificateRequest(csr);
    if (!(await request.verify())) throw new Error('its signature is not by its own key');
    return await request.publicKey.export();
  } catch (cause) {
    throw new AppError({
      code: 'certificate.request-invalid',
      family: 'invalid',
      message: 'The certificate request of the host cannot be read or is not signed with its own key.',
      cause,
    });
  }
}

const generalName = (value: string): JsonGeneralName => ({ type: isIP(value) > 0 ? 'ip' : 'dns', value });

/** 16 bytes, positive, no leading zeros. */
function serialNumber(): string {
  const bytes = randomBytes(16);
  bytes[0] = ((bytes[0] ?? 0) & 0x7f) | 0x40;
  return bytes.toString('hex');
}

/** A host's certificate. Of its request only the key counts: id, role and names are the cluster's to say. */
export async function signHost(
  authority: Authority,
  csr: string,
  host: { id: string; names: readonly string[] },
  now: Date,
): Promise<string> {
  const publicKey = await publicKeyOf(csr);
  const issuer = new X509Certificate(authority.certificate);
  const der = createPrivateKey(authority.key).export({ type: 'pkcs8', format: 'der' });
  const certificate = await X509CertificateGenerator.create({
    subject: new Name([{ CN: [host.id] }, { OU: ['host'] }]).toString(),
    issuer: issuer.subject,
    serialNumber: serialNumber(),
    // Clocks of new machines may be behind.
    notBefore: new Date(now.getTime() - 2 * day),
    notAfter: new Date(now.getTime() + hostDays * day),
    publicKey,
    signingKey: await crypto.subtle.importKey('pkcs8', der, algorithm, false, ['sign']),
    signingAlgorithm: { name: 'ECDSA', hash: 'SHA-256' },
    extensions: [
      new BasicConstraintsExtension(false, undefined, true),
      new KeyUsagesExtension(KeyUsageFlags.digitalSignature, true),
      new ExtendedKeyUsageExtension(serverAndClient),
      new SubjectAlternativeNameExtension([...new Set([host.id, ...host.names])].map(generalName)),
      await SubjectKeyIdentifierExtension.create(publicKey),
      await AuthorityKeyIdentifierExtension.create(issuer),
    ],
  });
  return `${certificate.toString('pem')}\n`;
}
