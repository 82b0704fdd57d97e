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
import type { CallerRole } from '../../node/contract/routes.ts';

const algorithm = { name: 'ECDSA', namedCurve: 'P-256' } as const;
const signing = { name: 'ECDSA', hash: 'SHA-256' } as const;
const day = 86_400_000;
/** Clocks of new machines may be behind; a certificate that is not valid yet would lock them out. */
const backdateDays = 2;
const authorityDays = 20 * 365;

export type Authority = { certificate: string; key: string };
export type Leaf = { certificate: string; key: string };
export type LeafOptions = {
  id: string;
  role: CallerRole;
  /** DNS names and addresses */
  names: readonly string[];
  days: number;
};
/** What a certificate may be made for: a key of our own, or the key of a request. */
type Subject = { publicKey: CryptoKey };

export const leafDays = 10 * 365;

async function newKeys(): Promise<{ publicKey: CryptoKey; privateKey: CryptoKey }> {
  return await crypto.subtle.generateKey(algorithm, true, ['sign', 'verify']);
}

async function toPem(key: CryptoKey): Promise<string> {
  const der = Buffer.from(await crypto.subtle.exportKey('pkcs8', key));
  const lines = der.toString('base64').match(/.{1,64}/g) ?? [];
  return `-----BEGIN PRIVATE KEY-----\n${lines.join('\n')}\n-----END PRIVATE KEY-----\n`;
}

async function signingKey(pem: string): Promise<CryptoKey> {
  const der = createPrivateKey(pem).export({ type: 'pkcs8', format: 'der' });
  return await crypto.subtle.importKey('pkcs8', der, algorithm, false, ['sign']);
}

/** 16 bytes, positive, no leading zeros. */
const serialNumber = (): string => {
  const bytes = randomBytes(16);
  bytes[0] = ((bytes[0] ?? 0) & 0x7f) | 0x40;
  return bytes.toString('hex');
};

const validity = (now: Date, days: number) => ({
  notBefore: new Date(now.getTime() - backdateDays * day),
  notAfter: new Date(now.getTime() + days * day),
});

/** A new authority for one cluster. */
export async function makeAuthority(clusterName: string, now: Date): Promise<Authority> {
  const keys = await newKeys();
  const certificate = await X509CertificateGenerator.createSelfSigned({
    name: [{ CN: [`Trefoil cluster ${clusterName}`] }],
    serialNumber: serialNumber(),
    ...validity(now, authorityDays),
    keys,
    signingAlgorithm: signing,
    extensions: [
      new BasicConstraintsExtension(true, 0, true),
      new KeyUsagesExtension(KeyUsageFlags.keyCertSign | KeyUsageFlags.cRLSign, true),
      await SubjectKeyIdentifierExtension.create(keys.publicKey),
    ],
  });
  return { certificate: `${certificate.toString('pem')}\n`, key: await toPem(keys.privateKey) };
}

const generalName = (value: string): JsonGeneralName => ({ type: isIP(value) > 0 ? 'ip' : 'dns', value });

async function certify(
  authority: Authority,
  subject: Subject,
  { id, role, names, days }: LeafOptions,
  now: Date,
): Promise<string> {
  const issuer = new X509Certificate(authority.certificate);
  const certificate = await X509CertificateGenerator.create({
    subject: new Name([{ CN: [id] }, { OU: [role] }]).toString(),
    issuer: issuer.subject,
    serialNumber: serialNumber(),
    ...validity(now, days),
    publicKey: subject.publicKey,
    signingKey: await signingKey(authority.key),
    signingAlgorithm: signing,
    extensions: [
      new BasicConstraintsExtension(false, undefined, true),
      new KeyUsagesExtension(KeyUsageFlags.digitalSignature, true),
      new ExtendedKeyUsageExtension(['1.3.6.1.5.5.7.3.1', '1.3.6.1.5.5.7.3.2']),
      new SubjectAlternativeNameExtension([...new Set([id, ...names])].map(generalName)),
      await SubjectKeyIdentifierExtension.create(subject.publicKey),
      await AuthorityKeyIdentifierExtension.create(issuer),
    ],
  });
  return `${certificate.toString('pem')}\n`;
}

/** A new key and its certificate. */
export async function issue(authority: Authority, options: LeafOptions, now: Date): Promise<Leaf> {
  const keys = await newKeys();
  return { certificate: await certify(authority, keys, options, now), key: await toPem(keys.privateKey) };
}

/** A certificate for the key of a request. Of the request only its key counts: names and role are ours to say. */
export async function sign(
  authority: Authority,
  csr: string,
  options: LeafOptions,
  now: Date,
): Promise<string> {
  const refused = (cause: unknown) =>
    new AppError({
      code: 'certificate.request-invalid',
      family: 'invalid',
      message: 'The certificate request of the host cannot be read or is not signed with its own key.',
      cause,
    });
  let publicKey: CryptoKey;
  try {
    const request = new Pkcs10CertificateRequest(csr);
    if (!(await request.verify())) throw new Error('its signature is not by its own key');
    publicKey = await request.publicKey.export();
  } catch (cause) {
    throw refused(cause);
  }
  return await certify(authority, { publicKey }, options, now);
}
