import { createPrivateKey, randomBytes, X509Certificate } from 'node:crypto';
import type { CallerRole } from '../contract/routes.ts';

const keyAlgorithm = { name: 'ECDSA', namedCurve: 'P-256' } as const;
const signing = { name: 'ECDSA', hash: 'SHA-256' } as const;
const serverAndClient = ['1.3.6.1.5.5.7.3.1', '1.3.6.1.5.5.7.3.2'];

/** Needed once in a host's life, and large (5 MiB of memory): loaded when it is. */
async function x509() {
  await import('reflect-metadata');
  return import('@peculiar/x509');
}

export type Keys = { privateKey: CryptoKey; publicKey: CryptoKey };

export async function newKeys(): Promise<Keys> {
  return await crypto.subtle.generateKey(keyAlgorithm, true, ['sign', 'verify']);
}

export async function privateKeyToPem(key: CryptoKey): Promise<string> {
  const der = Buffer.from(await crypto.subtle.exportKey('pkcs8', key));
  const lines = der.toString('base64').match(/.{1,64}/g) ?? [];
  return `-----BEGIN PRIVATE KEY-----\n${lines.join('\n')}\n-----END PRIVATE KEY-----\n`;
}

export async function keysFromPem(pem: string): Promise<Keys> {
  const privateKey = createPrivateKey(pem);
  const pkcs8 = privateKey.export({ type: 'pkcs8', format: 'der' });
  const { kty, crv, x, y } = privateKey.export({ format: 'jwk' });
  const publicJwk = {
    ...(kty === undefined ? {} : { kty }),
    ...(crv === undefined ? {} : { crv }),
    ...(x === undefined ? {} : { x }),
    ...(y === undefined ? {} : { y }),
  };
  return {
    privateKey: await crypto.subtle.importKey('pkcs8', pkcs8, keyAlgorithm, true, ['sign']),
    publicKey: await crypto.subtle.importKey('jwk', publicJwk, keyAlgorithm, true, ['verify']),
  };
}

/** What a host shows before it belongs to a cluster. Nobody trusts it as such: pairing binds its fingerprint to the code. */
export async function selfSignedCertificate(hostId: string, keys: Keys, now: Date): Promise<string> {
  const {
    BasicConstraintsExtension,
    ExtendedKeyUsageExtension,
    KeyUsageFlags,
    KeyUsagesExtension,
    X509CertificateGenerator,
  } = await x509();
  const certificate = await X509CertificateGenerator.createSelfSigned({
    name: `CN=${hostId}, OU=unjoined`,
    serialNumber: positiveSerial(),
    // Clocks of new machines are wrong more often than not.
    notBefore: new Date(Math.min(now.getTime(), Date.UTC(2024, 0, 1))),
    notAfter: new Date(Date.UTC(2099, 0, 1)),
    keys,
    signingAlgorithm: signing,
    extensions: [
      new BasicConstraintsExtension(false, undefined, true),
      new KeyUsagesExtension(KeyUsageFlags.digitalSignature, true),
      new ExtendedKeyUsageExtension(serverAndClient),
    ],
  });
  return `${certificate.toString('pem')}\n`;
}

/** Asks for a certificate with CN = host id and OU = host; names and addresses are the signer's to add. */
export async function certificateRequest(hostId: string, keys: Keys): Promise<string> {
  const { Pkcs10CertificateRequestGenerator } = await x509();
  const request = await Pkcs10CertificateRequestGenerator.create({
    name: `CN=${hostId}, OU=host`,
    keys,
    signingAlgorithm: signing,
  });
  return `${request.toString('pem')}\n`;
}

export function positiveSerial(): string {
  const bytes = randomBytes(16);
  bytes[0] = (bytes[0]! & 0x7f) | 0x40; // there are 16 bytes; positive and without leading zeros
  return bytes.toString('hex');
}

/** SHA-256 of the certificate's DER, hex. */
export function fingerprintOf(certificate: string | Uint8Array): string {
  return new X509Certificate(certificate).fingerprint256.replaceAll(':', '').toLowerCase();
}

const roles: readonly CallerRole[] = ['engine', 'host', 'installer'];

export type Subject = { id: string; role: CallerRole };

/** CN and OU of a certificate of the cluster; undefined when it is not of that form. Says nothing of who signed it. */
export function subjectOf(certificate: X509Certificate): Subject | undefined {
  const lines = certificate.subject.split('\n');
  const values = (name: string) =>
    lines.filter((line) => line.startsWith(`${name}=`)).map((line) => line.slice(name.length + 1));
  const ids = values('CN');
  const units = values('OU');
  const role = roles.find((known) => known === units[0]);
  const id = ids[0];
  if (ids.length !== 1 || units.length !== 1 || id === undefined || role === undefined) return undefined;
  return { id, role };
}
