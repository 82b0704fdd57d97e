import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { z } from 'zod';
import { makeNodeClient, type NodeClient, type NodeSend } from '../../node/contract/client.ts';
import { AppError, errorBodySchema } from '../../node/contract/error.ts';
import { type Announcement, announcementSchema } from '../../node/contract/host.ts';
import { type Join, localCsrSchema } from '../../node/contract/pairing.ts';
import { type Answer, exchange, type Identity, type Way } from './exchange.ts';

export const agentPort = 7440;
export const agentSocket = '/run/trefoil/node.sock';

export type Target = { id: string; name: string; addresses: readonly string[] };
export type ImageUpload = { id: string; name: string; volume: string; format: 'raw' | 'qcow2'; file: string };

/** The hosts as formation reaches them. */
export type HostsPort = {
  /** the agent of this host */
  local: NodeClient;
  localCsr(): Promise<{ hostId: string; csr: string }>;
  localJoin(join: Join): Promise<void>;
  /** what a host tells anyone; not to be trusted */
  announcement(address: string, name: string): Promise<Announcement>;
  remote(target: Target, identity: Identity): NodeClient;
  upload(image: ImageUpload): Promise<void>;
};

const socket: Way = { kind: 'socket', path: agentSocket };
const sayMs = 5_000;

export function makeHosts(options: { way?: Way; port?: number } = {}): HostsPort {
  const local = options.way ?? socket;
  const port = options.port ?? agentPort;
  const ask = async <T extends z.ZodType>(
    schema: T,
    way: Way,
    method: string,
    path: string,
    body?: unknown,
    name = 'this host',
  ): Promise<z.output<T>> => {
    const answer = refuseErrors(
      await exchange(way, { method, path, body, timeoutMs: method === 'GET' ? sayMs : 60_000 }, name),
      name,
    );
    const parsed = schema.safeParse(answer.body);
    if (parsed.success) return parsed.data;
    throw unreadable(name, parsed.error);
  };
  return {
    local: makeNodeClient((request) => exchange(local, request, 'this host')),
    localCsr: () => ask(localCsrSchema, local, 'POST', '/local/v1/csr'),
    localJoin: async (join) => {
      await ask(z.unknown(), local, 'POST', '/local/v1/join', join);
    },
    announcement: (address, name) =>
      ask(announcementSchema, { kind: 'tls', address, port }, 'GET', '/pair/v1/host', undefined, name),
    remote: (target, identity) => makeNodeClient(sendTo(target, identity, port)),
    upload: async ({ id, file, ...image }) => {
      const { size } = await stat(file);
      const query = new URLSearchParams({ ...image, size: String(size) });
      const stream = { from: createReadStream(file), bytes: size };
      const path = `/v1/images/${id}?${query}`;
      const answer = await exchange(
        local,
        { method: 'PUT', path, stream, timeoutMs: 1_800_000 },
        'this host',
      );
      refuseErrors(answer, 'this host');
    },
  };
}

/** A host that may be at one of several addresses (before and after its network is set up): the first that connects. */
function sendTo(target: Target, identity: Identity, port: number): NodeSend {
  let order = [...new Set(target.addresses)];
  return async (request) => {
    let last: unknown;
    for (const address of order) {
      const way: Way = { kind: 'tls', address, port, trust: { hostId: target.id, identity } };
      try {
        const answer = await exchange(way, request, target.name);
        order = [address, ...order.filter((other) => other !== address)];
        return answer;
      } catch (thrown) {
        // Asked once it may have been done: only who never got the request is passed over.
        if (!(thrown instanceof AppError) || thrown.details?.['sent'] !== false) throw thrown;
        last ??= thrown;
      }
    }
    throw last;
  };
}

function refuseErrors(answer: Answer, name: string): Answer {
  if (answer.status < 400) return answer;
  const parsed = errorBodySchema.safeParse(answer.body);
  throw parsed.success ? AppError.fromBody(parsed.data) : unreadable(name);
}

const unreadable = (name: string, cause?: unknown): AppError =>
  new AppError({
    code: 'host.unreadable',
    family: 'bug',
    message: `What answers for ${name} does not speak as a Trefoil host of this version does.`,
    remedy: 'Check its address, and that the same version is installed on all hosts.',
    retry: 'later',
    cause,
  });
