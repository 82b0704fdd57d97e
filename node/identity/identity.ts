import { randomUUID } from 'node:crypto';
import { AppError } from '../contract/error.ts';
import type { Membership } from '../contract/host.ts';
import { type HostId, hostIdSchema } from '../contract/ids.ts';
import { type Join, joinSchema } from '../contract/pairing.ts';
import { readIfThere, removeFileDurably, writeFileAtomic } from '../files/atomic.ts';
import type { Log } from '../log/log.ts';
import {
  certificateRequest,
  fingerprintOf,
  keysFromPem,
  newKeys,
  privateKeyToPem,
  selfSignedCertificate,
} from './certificate.ts';
import {
  checkJoin,
  type IdentityFile,
  identityFileSchema,
  type MembershipFile,
  membershipFileSchema,
} from './model.ts';

/** What the TLS port shows and trusts now. `ca` is absent while the host belongs to nobody. */
export type TlsIdentity = { key: string; certificate: string; ca: string | undefined };

/**
 * Who this host is, and whose. Files, all 0600 in a 0700 folder, written by this module alone:
 *   identity.json    id, key, self-signed certificate; written once
 *   membership.json  certificate of the cluster, CA, names; its presence IS the membership, so that joining and leaving
 *                    are one rename or one unlink: a crash leaves the host joined or not, never half
 *   tls/{key,certificate,ca}.pem  copies for other programs (etcd), made again at every start and change
 */
export type Identity = {
  readonly id: HostId;
  readonly file: IdentityFile;
  membership(): Membership;
  tls(): TlsIdentity;
  /** SHA-256 of the certificate that is shown now, hex */
  fingerprint(): string;
  csr(): Promise<string>;
  join(join: Join): Promise<void>;
  leave(): Promise<void>;
  /** called after each join and leave; returns how to stop */
  onChange(listener: () => void): () => void;
  readonly pemPaths: { key: string; certificate: string; ca: string };
};

export type IdentityEnv = { directory: string; now: () => Date; log: Log };

export async function openIdentity(env: IdentityEnv): Promise<Identity> {
  const paths = {
    identity: `${env.directory}/identity.json`,
    membership: `${env.directory}/membership.json`,
    key: `${env.directory}/tls/key.pem`,
    certificate: `${env.directory}/tls/certificate.pem`,
    ca: `${env.directory}/tls/ca.pem`,
  };
  const file = (await readIdentity(paths.identity)) ?? (await createIdentity(env, paths.identity));
  let member = await readMembership(paths.membership);
  const listeners = new Set<() => void>();

  const tls = (): TlsIdentity =>
    member === undefined
      ? { key: file.key, certificate: file.selfSigned, ca: undefined }
      : { key: file.key, certificate: member.certificate, ca: member.caCertificate };

  const writePems = async () => {
    const { key, certificate, ca } = tls();
    if (ca === undefined) {
      await Promise.all([paths.key, paths.certificate, paths.ca].map((path) => removePem(path)));
      return;
    }
    await writeFileAtomic(paths.key, key);
    await writeFileAtomic(paths.certificate, certificate);
    await writeFileAtomic(paths.ca, ca);
  };

  const changed = async (next: MembershipFile | undefined) => {
    member = next;
    await writePems();
    for (const listener of listeners) listener();
  };

  // Joining and leaving wait for each other: both read what they then change.
  let last: Promise<unknown> = Promise.resolve();
  const inTurn =
    <A extends unknown[]>(act: (...args: A) => Promise<void>) =>
    (...args: A): Promise<void> => {
      const mine = last.then(() => act(...args));
      last = mine.catch(() => {});
      return mine;
    };

  await writePems();

  return {
    id: file.id,
    file,
    membership: () =>
      member === undefined
        ? { state: 'unjoined' }
        : {
            state: 'joined',
            clusterId: member.clusterId,
            clusterName: member.clusterName,
            hostName: member.hostName,
          },
    tls,
    fingerprint: () => fingerprintOf(tls().certificate),
    csr: async () => certificateRequest(file.id, await keysFromPem(file.key)),
    join: inTurn(async (given: Join) => {
      const join = joinSchema.parse(given);
      if (member !== undefined && !sameJoin(member, join)) throw alreadyJoined(member);
      if (member !== undefined) return;
      checkJoin(file, join, env.now());
      const next: MembershipFile = { ...join, format: 1, joinedAt: env.now().toISOString() };
      await writeFileAtomic(paths.membership, JSON.stringify(next, null, 2));
      env.log.info('membership unjoined -> joined', { cluster: join.clusterId, hostName: join.hostName });
      await changed(next);
    }),
    leave: inTurn(async () => {
      if (member === undefined) return;
      await removeFileDurably(paths.membership);
      env.log.info('membership joined -> unjoined', { cluster: member.clusterId });
      await changed(undefined);
    }),
    onChange: (listener) => {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
    pemPaths: { key: paths.key, certificate: paths.certificate, ca: paths.ca },
  };
}

const sameJoin = (member: MembershipFile, join: Join): boolean =>
  member.clusterId === join.clusterId && member.certificate === join.certificate;

const alreadyJoined = (member: MembershipFile): AppError =>
  new AppError({
    code: 'host.already-joined',
    family: 'conflict',
    message: `This host already belongs to the cluster ${member.clusterName}.`,
    remedy: 'Remove it from that cluster first.',
  });

const damaged = (path: string, cause: unknown): AppError =>
  new AppError({
    code: 'identity.damaged',
    family: 'bug',
    message: `The host's identity in ${path} cannot be read, so it cannot prove who it is.`,
    remedy: 'Restore the file from a backup, or remove it to make this a new, unjoined host.',
    retry: 'never',
    cause,
  });

async function readIdentity(path: string): Promise<IdentityFile | undefined> {
  const text = await readIfThere(path);
  if (text === undefined) return undefined;
  try {
    return identityFileSchema.parse(JSON.parse(text));
  } catch (error) {
    throw damaged(path, error);
  }
}

async function readMembership(path: string): Promise<MembershipFile | undefined> {
  const text = await readIfThere(path);
  if (text === undefined) return undefined;
  try {
    return membershipFileSchema.parse(JSON.parse(text));
  } catch (error) {
    throw damaged(path, error);
  }
}

async function createIdentity(env: IdentityEnv, path: string): Promise<IdentityFile> {
  const id = hostIdSchema.parse(randomUUID());
  const keys = await newKeys();
  const file: IdentityFile = {
    format: 1,
    id,
    createdAt: env.now().toISOString(),
    key: await privateKeyToPem(keys.privateKey),
    selfSigned: await selfSignedCertificate(id, keys, env.now()),
  };
  await writeFileAtomic(path, JSON.stringify(file, null, 2));
  env.log.info('new identity', { host: id });
  return file;
}

async function removePem(path: string): Promise<void> {
  if ((await readIfThere(path)) !== undefined) await removeFileDurably(path);
}
