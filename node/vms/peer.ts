import { request } from 'node:https';
import type { Duplex } from 'node:stream';
import { identityProblem, openTunnel } from '../api/tunnel.ts';
import { makeNodeClient, type NodeClient, type NodeSend } from '../contract/client.ts';
import { AppError } from '../contract/error.ts';
import type { HostId, VmId } from '../contract/ids.ts';
import type { TlsIdentity } from '../identity/identity.ts';

export type PeerAddress = { hostId: HostId; address: string; port: number };

/** Another host of the cluster, as one of its hosts may call it. */
export type Peer = {
  client: NodeClient;
  /** a raw stream to its libvirt, or to the incoming QEMU of a VM; only while it expects one from here */
  tunnel(to: 'libvirt' | VmId, signal: AbortSignal): Promise<Duplex>;
};

const answerMs = 20_000;
const maxAnswerBytes = 1024 * 1024;

export function makePeer(tls: () => TlsIdentity, to: PeerAddress): Peer {
  return {
    client: makeNodeClient(sendTo(tls, to)),
    tunnel: (what, signal) => {
      const path = what === 'libvirt' ? '/v1/tunnel/libvirt' : `/v1/tunnel/migration/${what}`;
      return openTunnel(tls(), { ...to, path }, signal);
    },
  };
}

const sendTo =
  (tls: () => TlsIdentity, to: PeerAddress): NodeSend =>
  ({ method, path, body, signal }) => {
    const { ca, key, certificate } = tls();
    if (ca === undefined) return Promise.reject(unjoined());
    const text = body === undefined ? undefined : JSON.stringify(body);
    return new Promise((resolve, reject) => {
      const failed = (cause: unknown) => reject(unreachable(to.address, cause));
      const asked = request({
        method,
        path,
        host: to.address,
        port: to.port,
        headers: {
          host: 'host.invalid',
          ...(text === undefined
            ? {}
            : { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) }),
        },
        key,
        cert: certificate,
        ca,
        minVersion: 'TLSv1.3',
        checkServerIdentity: (_, other) => identityProblem(other, to.hostId),
        agent: false,
        signal: AbortSignal.any([AbortSignal.timeout(answerMs), ...(signal === undefined ? [] : [signal])]),
      });
      asked.on('error', failed);
      asked.on('response', (answer) => {
        const parts: Buffer[] = [];
        let size = 0;
        answer.on('error', failed);
        answer.on('data', (part: Buffer) => {
          size += part.length;
          if (size > maxAnswerBytes) answer.destroy(new Error('the answer is too long'));
          else parts.push(part);
        });
        answer.on('end', () =>
          resolve({ status: answer.statusCode ?? 0, body: jsonOf(Buffer.concat(parts).toString()) }),
        );
      });
      asked.end(text);
    });
  };

/** What is no JSON is no answer of an agent; the client says so where it does not fit the schema. */
function jsonOf(text: string): unknown {
  try {
    return text === '' ? undefined : JSON.parse(text);
  } catch {
    return undefined;
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
