import { Agent, fetch as undiciFetch } from 'undici';
import { makeEngineClient, makeFetchSend } from '../../engine/contract/client.ts';
import type { Health } from '../../engine/contract/health.ts';

/** What formation asks of the engine once it runs. */
export type EnginePort = {
  /** undefined: it does not answer (yet) */
  health(): Promise<Health | undefined>;
  /** logs in, looks, logs out again */
  look(login: { name: string; password: string }): Promise<EngineView>;
};
export type EngineView = {
  hosts: { name: string; state: string; reason: string }[];
  volumes: { name: string; state: string; summary: string }[];
};

const callMs = 10_000;

/** The engine at its address, trusted by the cluster's own authority and by nothing else. */
export function makeEngine(address: string, ca: string): EnginePort {
  const open = async <T>(body: (fetch: typeof globalThis.fetch) => Promise<T>): Promise<T> => {
    const dispatcher = new Agent({
      connect: { ca, timeout: callMs },
      headersTimeout: callMs,
      bodyTimeout: callMs,
    });
    // undici's fetch is the one that Node has built in; only its types are a world of their own.
    const fetch = ((url: string, init: object) =>
      undiciFetch(url, { ...init, dispatcher })) as unknown as typeof globalThis.fetch;
    try {
      return await body(fetch);
    } finally {
      await dispatcher.destroy();
    }
  };
  const baseUrl = `https://${address}`;
  return {
    health: () =>
      open(async (fetch) => {
        try {
          return await makeEngineClient(makeFetchSend({ baseUrl, fetch })).call('getHealth');
        } catch {
          return undefined;
        }
      }),
    look: ({ name, password }) =>
      open(async (fetch) => {
        let token: string | undefined;
        const client = makeEngineClient(makeFetchSend({ baseUrl, fetch, token: () => token }));
        const session = await client.call('createSession', { body: { name, password, cookie: false } });
        token = session.token;
        try {
          const hosts = await client.call('listHosts');
          const volumes = await client.call('listVolumes');
          return { hosts: hosts.items, volumes: volumes.items };
        } finally {
          await client.call('deleteSession').catch(() => undefined);
        }
      }),
  };
}
