import { X509Certificate } from 'node:crypto';
import { request } from 'node:https';
import type { Duplex } from 'node:stream';
import type { PeerCertificate } from 'node:tls';
import { AppError, errorBodySchema } from '../contract/error.ts';
import type { HostId } from '../contract/ids.ts';
import { subjectOf } from '../identity/certificate.ts';
import type { TlsIdentity } from '../identity/identity.ts';

export type TunnelTarget = {
  hostId: HostId;
  address: string;
  port: number;
  /** one of the contract's Upgrade paths, `/v1/tunnel/...` */
  path: string;
};

const answerMs = 10_000;

/**
 * Opens a raw stream to another host's agent, as host to host: both show certificates of the cluster, and the other one
 * must be the host that is meant. Its name or address in the certificate does not matter: hosts are known by their ids.
 */
export function openTunnel(tls: TlsIdentity, target: TunnelTarget, signal: AbortSignal): Promise<Duplex> {
  const { ca } = tls;
  if (ca === undefined) return Promise.reject(unjoined());
  return new Promise((resolve, reject) => {
    const asked = request({
      host: target.address,
      port: target.port,
      path: target.path,
      // Node would put an address with its card here (fe80::1%eno1), which is no valid header.
      headers: { host: 'host.invalid', connection: 'Upgrade', upgrade: 'trefoil-tunnel' },
      key: tls.key,
      cert: tls.certificate,
      ca,
      minVersion: 'TLSv1.3',
      checkServerIdentity: (_, certificate) => identityProblem(certificate, target.hostId),
      agent: false,
      signal,
    });
    const late = setTimeout(() => asked.destroy(new Error('no answer in time')), answerMs);
    const failed = (cause: unknown) => {
      clearTimeout(late);
      reject(unreachable(target.address, cause));
    };
    asked.on('error', failed);
    asked.on('upgrade', (_, socket, head) => {
      clearTimeout(late);
      asked.removeListener('error', failed);
      if (head.length > 0) socket.unshift(head);
      resolve(socket);
    });
    asked.on('response', (answer) => {
      let text = '';
      answer.setEncoding('utf8');
      answer.on('data', (chunk: string) => {
        text = (text + chunk).slice(0, 65_536);
      });
      answer.on('end', () => {
        clearTimeout(late);
        reject(refusalOf(text, target.address));
      });
    });
    asked.end();
  });
}

/** For hosts' certificates: the cluster's authority is checked by TLS, this is whose certificate it is. */
export function identityProblem(certificate: PeerCertificate, hostId: HostId): Error | undefined {
  const subject = subjectOf(new X509Certificate(certificate.raw));
  if (subject?.role === 'host' && subject.id === hostId) return undefined;
  return new Error(
    `the other end is ${subject?.role ?? 'no one'} ${subject?.id ?? ''}, not the host ${hostId}`,
  );
}

function refusalOf(text: string, address: string): AppError {
  try {
    return AppError.fromBody(errorBodySchema.parse(JSON.parse(text)));
  } catch (error) {
    return unreachable(address, error);
  }
}

const unreachable = (address: string, cause: unknown): AppError =>
  new AppError({
    code: 'host.unreachable',
    family: 'unavailable',
    message: `The other host's agent at ${address} cannot be reached.`,
    cause,
  });

const unjoined = (): AppError =>
  new AppError({
    code: 'host.unjoined',
    family: 'conflict',
    message: 'This host belongs to no cluster, so it has no other hosts to speak to.',
  });
