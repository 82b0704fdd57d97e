import { Readable } from 'node:stream';
import type { PeerCertificate } from 'node:tls';
import { createParser } from 'eventsource-parser';
import { Agent, type Dispatcher, upgrade } from 'undici';
import { makeNodeClient, type NodeSend } from '../../node/contract/client.ts';
import { AppError, errorBodySchema } from '../../node/contract/error.ts';
import { nodeEventSchema } from '../../node/contract/events.ts';
import type { HostLink, OpenLink } from './port.ts';

export type LinkOptions = {
  ca: string;
  certificate: string;
  key: string;
  /** of every agent; differs only in tests, where several share an address */
  portOf?: (host: { id: string; address: string }) => { address: string; port: number };
  /** an event stream that is silent for longer is dead: agents send a heartbeat every 5 s */
  silenceMs?: number;
};

const agentPort = 7440;

/** The certificate must be that very host's: signed by the cluster's authority, CN its id, OU `host`. */
function identityCheck(id: string) {
  return (_hostname: string, certificate: PeerCertificate): Error | undefined => {
    const { CN, OU } = certificate.subject;
    if (CN === id && OU === 'host') return undefined;
    return new Error(`expected the host ${id}, but there is ${OU ?? '?'} ${CN ?? '?'}`);
  };
}

/** mTLS to agents: the cluster's authority alone is trusted, and each host is told apart by its id. */
export function makeOpenLink(options: LinkOptions): OpenLink {
  return (host) => {
    const { address, port } = options.portOf?.(host) ?? { address: host.address, port: agentPort };
    const origin = `https://${address}:${port}`;
    const agent = new Agent({
      connections: 16,
      pipelining: 1,
      keepAliveTimeout: 30_000,
      headersTimeout: 120_000,
      bodyTimeout: 60_000,
      connect: {
        ca: options.ca,
        cert: options.certificate,
        key: options.key,
        timeout: 3_000,
        checkServerIdentity: identityCheck(host.id),
      },
    });
    return openOver(agent, origin, host.name, options.silenceMs ?? 12_000);
  };
}

export const unreachable = (name: string, cause?: unknown): AppError =>
  new AppError({
    code: 'host.unreachable',
    family: 'unavailable',
    message: `${name} does not answer.`,
    remedy: 'See whether the host is switched on and connected to the management network.',
    cause,
  });

function openOver(agent: Agent, origin: string, name: string, silenceMs: number): HostLink {
  const request = async (
    options: Omit<Dispatcher.RequestOptions, 'origin'>,
    signal: AbortSignal | undefined,
  ): Promise<Dispatcher.ResponseData> => {
    try {
      return await agent.request({ ...options, origin, ...(signal === undefined ? {} : { signal }) });
    } catch (cause) {
      signal?.throwIfAborted();
      throw unreachable(name, cause);
    }
  };

  const bodyOf = async (answer: Dispatcher.ResponseData, signal?: AbortSignal): Promise<unknown> => {
    let text: string;
    try {
      text = await answer.body.text();
    } catch (cause) {
      signal?.throwIfAborted();
      throw unreachable(name, cause);
    }
    if (text === '') return undefined;
    try {
      return JSON.parse(text);
    } catch (cause) {
      throw new AppError({
        code: 'host.unreadable',
        family: 'bug',
        message: `${name} gave an answer that could not be understood.`,
        retry: 'later',
        cause,
      });
    }
  };

  const refuseUnless = async (answer: Dispatcher.ResponseData, what: string): Promise<void> => {
    if (answer.statusCode < 400) return;
    const parsed = errorBodySchema.safeParse(await bodyOf(answer).catch(() => undefined));
    if (parsed.success) throw AppError.fromBody(parsed.data);
    throw new AppError({
      code: 'host.unreadable',
      family: 'unavailable',
      message: `${name} answered ${what} with status ${answer.statusCode}.`,
    });
  };

  const send: NodeSend = async ({ method, path, body, signal }) => {
    const answer = await request(
      {
        method,
        path,
        ...(body === undefined
          ? {}
          : { body: JSON.stringify(body), headers: { 'content-type': 'application/json' } }),
      },
      signal,
    );
    return { status: answer.statusCode, body: await bodyOf(answer, signal) };
  };

  return {
    client: makeNodeClient(send),

    async *events(signal) {
      const answer = await request(
        {
          method: 'GET',
          path: '/v1/events',
          headers: { accept: 'text/event-stream' },
          bodyTimeout: silenceMs,
          headersTimeout: silenceMs,
        },
        signal,
      );
      await refuseUnless(answer, 'the event stream');
      let ready: string[] = [];
      const parser = createParser({ onEvent: ({ data }) => void ready.push(data) });
      const decoder = new TextDecoder();
      try {
        for await (const chunk of answer.body) {
          parser.feed(decoder.decode(chunk, { stream: true }));
          for (const data of ready) {
            const parsed = nodeEventSchema.safeParse(JSON.parse(data));
            // A newer agent may tell things that this engine does not know yet.
            if (parsed.success) yield parsed.data;
          }
          ready = [];
        }
      } catch (cause) {
        signal.throwIfAborted();
        throw unreachable(name, cause);
      }
      signal.throwIfAborted();
      throw unreachable(name);
    },

    async upgrade(path, protocol, signal) {
      try {
        const upgraded = await upgrade(`${origin}${path}`, {
          dispatcher: agent,
          method: 'GET',
          protocol,
          signal,
        });
        return upgraded.socket;
      } catch (cause) {
        signal.throwIfAborted();
        throw unreachable(name, cause);
      }
    },

    async getText(path, signal) {
      const answer = await request({ method: 'GET', path }, signal);
      await refuseUnless(answer, path);
      return answer.body.text();
    },

    async putStream(path, body, length, signal) {
      const answer = await request(
        {
          method: 'PUT',
          path,
          body: Readable.from(body),
          headers: {
            'content-type': 'application/octet-stream',
            ...(length === undefined ? {} : { 'content-length': String(length) }),
          },
          headersTimeout: 0,
        },
        signal,
      );
      await refuseUnless(answer, path);
      await answer.body.dump();
    },

    close: () => agent.destroy(),
  };
}
