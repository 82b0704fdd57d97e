import {
  createCipheriv,
  createDecipheriv,
  createHash,
  createPrivateKey,
  createPublicKey,
  diffieHellman,
  generateKeyPairSync,
  hkdfSync,
  type KeyObject,
  randomBytes,
  X509Certificate,
} from 'node:crypto';
import { AppError } from '../contract/error.ts';
import {
  type FenceDeviceId,
  type FenceOptions,
  fenceOptionsSchema,
  type SealedCopy,
  type SealedSecrets,
} from '../contract/fence.ts';
import { subjectOf } from '../identity/certificate.ts';

/**
 * Secrets at rest: one copy for each host, which only that host's own key opens. A copy is made with a key pair that is
 * thrown away: ECDH (P-256) with the host's public key -> HKDF-SHA-256 -> AES-256-GCM. What it is for (device, host) is
 * authenticated with it: a copy moved to another record does not open.
 */
const curve = 'prime256v1';
const purpose = 'trefoil fence secrets 1';
const tagBytes = 16;

const keyId = (publicKey: KeyObject): string =>
  createHash('sha256')
    .update(publicKey.export({ type: 'spki', format: 'der' }))
    .digest('hex');

function keyOf(shared: Buffer, ephemeral: Buffer, recipient: string): Buffer {
  return Buffer.from(hkdfSync('sha256', shared, ephemeral, `${purpose} ${recipient}`, 32));
}

const bound = (device: string, host: string): Buffer => Buffer.from(`${purpose} ${device} ${host}`);

/** The recipients are trusted as they are: see `recipientsOf`. */
export function sealFor(
  recipients: readonly { host: string; publicKey: KeyObject }[],
  device: FenceDeviceId,
  secrets: FenceOptions,
): SealedSecrets {
  const plain = Buffer.from(JSON.stringify(fenceOptionsSchema.parse(secrets)));
  return {
    names: Object.keys(secrets).sort(),
    copies: Object.fromEntries(
      recipients.map(({ host, publicKey }) => [host, sealOne(publicKey, bound(device, host), plain)]),
    ),
  };
}

function sealOne(publicKey: KeyObject, about: Buffer, plain: Buffer): SealedCopy {
  const pair = generateKeyPairSync('ec', { namedCurve: curve });
  const ephemeral = pair.publicKey.export({ type: 'spki', format: 'der' });
  const key = keyId(publicKey);
  const shared = diffieHellman({ privateKey: pair.privateKey, publicKey });
  const nonce = randomBytes(12);
  const cipher = createCipheriv('aes-256-gcm', keyOf(shared, ephemeral, key), nonce);
  cipher.setAAD(about);
  const sealed = Buffer.concat([cipher.update(plain), cipher.final(), cipher.getAuthTag()]);
  return {
    key,
    ephemeral: ephemeral.toString('base64'),
    nonce: nonce.toString('base64'),
    sealed: sealed.toString('base64'),
  };
}

/** A host without a copy that its own key opens says so: the secrets have to be sealed again, or typed anew. */
export function openSealed(
  own: { host: string; privateKeyPem: string },
  device: FenceDeviceId,
  { names, copies }: SealedSecrets,
): FenceOptions {
  if (names.length === 0) return {};
  const copy = copies[own.host];
  const privateKey = createPrivateKey(own.privateKeyPem);
  if (copy === undefined || copy.key !== keyId(createPublicKey(privateKey)))
    throw new AppError({
      code: 'fence.needs-sealing',
      family: 'unavailable',
      message: 'The password of this fence device is not sealed for this host, so it cannot use the device.',
      remedy: 'Save the fence device again, so that all hosts get their copy.',
      retry: 'other-host',
    });
  try {
    const ephemeral = Buffer.from(copy.ephemeral, 'base64');
    const publicKey = createPublicKey({ key: ephemeral, format: 'der', type: 'spki' });
    const shared = diffieHellman({ privateKey, publicKey });
    const sealed = Buffer.from(copy.sealed, 'base64');
    const decipher = createDecipheriv(
      'aes-256-gcm',
      keyOf(shared, ephemeral, copy.key),
      Buffer.from(copy.nonce, 'base64'),
      { authTagLength: tagBytes },
    );
    decipher.setAAD(bound(device, own.host));
    decipher.setAuthTag(sealed.subarray(-tagBytes));
    const plain = Buffer.concat([decipher.update(sealed.subarray(0, -tagBytes)), decipher.final()]);
    return fenceOptionsSchema.parse(JSON.parse(plain.toString('utf8')));
  } catch {
    // what the cause says may have parts of the plain text in it
    throw new AppError({
      code: 'fence.secrets-damaged',
      family: 'unavailable',
      message: 'The sealed password of this fence device is damaged, or belongs to another device.',
      remedy: 'Type it anew and save the fence device.',
      retry: 'never',
    });
  }
}

/** Hosts to seal for: each certificate must be one that the cluster's authority signed for a host. */
export function recipientsOf(
  certificates: readonly string[],
  authority: string,
): { host: string; publicKey: KeyObject }[] {
  const ca = new X509Certificate(authority);
  return certificates.map((pem) => {
    const certificate = readable(pem);
    const subject = certificate === undefined ? undefined : subjectOf(certificate);
    if (
      certificate === undefined ||
      !certificate.checkIssued(ca) ||
      !certificate.verify(ca.publicKey) ||
      subject?.role !== 'host'
    )
      throw new AppError({
        code: 'fence.not-a-host',
        family: 'invalid',
        message: "Secrets are sealed only for hosts: a certificate is not one of this cluster's hosts.",
      });
    return { host: subject.id, publicKey: certificate.publicKey };
  });
}

function readable(pem: string): X509Certificate | undefined {
  try {
    return new X509Certificate(pem);
  } catch {
    return undefined;
  }
}
