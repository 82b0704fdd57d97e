import { Agent, fetch as undiciFetch } from 'undici';
import { makeEngineClient, makeFetchSend } from '../../engine/contract/client.ts';
import type { Health } from '../../engine/contract/health.ts';

/** What formation asks of the engine once it runs. */
export type EnginePort = {
  /** undefined: it does not answer (yet) */
  health(): Promise<Health | undefined>;
  logIn(login: { name: string; password: string }): Promise<EngineSession>;
};
export type EngineSession = { look(): Promise<EngineView>; end(): Promise<void> };
export type EngineView = {
  hosts: { name: string; state: string; reason: string }[];
  volumes: { name: string; state: string; summary: string }[];
};

const healthMs = 10_000;
/** A login hashes on purpose slowly, and an emulated machine is slow besides: 20 s were seen. */
const callMs = 120_000;

/** The engine at its address, trusted by the cluster's own authority and by nothing else. */
export function makeEngine(address: string, ca: string): EnginePort {
  const baseUrl = `https://${address}`;
  const open = (timeoutMs: number) => {
    const dispatcher = new Agent({
      connect: { ca, timeout: healthMs },
      headersTimeout: timeoutMs,
      bodyTimeout: timeoutMs,
    });
    // undici's fetch is the one that Node has built in; only its types are a world of their own.
    const fetch = ((url: string, init: object) =>
      undiciFetch(url, { ...init, dispatcher })) as unknown as typeof globalThis.fetch;
    return { fetch, close: () => dispatcher.destroy() };
  };
  return {
    health: async () => {
      const { fetch, close } = open(healthMs);
      try {
        return await makeEngineClient(makeFetchSend({ baseUrl, fetch })).call('getHealth');
      } catch {
        return undefined;
      } finally {
        await close();
      }
    },
    logIn: async ({ name, password }) => {
      const { fetch, close } = open(callMs);
      let token: string | undefined;
      const client = makeEngineClient(makeFetchSend({ baseUrl, fetch, token: () => token }));
      try {
        ({ token } = await client.call('createSession', { body: { name, password, cookie: false } }));
      } catch (error) {
        await close();
        throw error;
      }
      return {
        look: async () => ({
          hosts: (await client.call('listHosts')).items,
          volumes: (await client.call('listVolumes')).items,
        }),
        end: async () => {
          await client.call('deleteSession').catch(() => undefined);
          await close();
        },
      };
    },
  };
}
