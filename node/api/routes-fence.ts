import { readdir } from 'node:fs/promises';
import { AppError } from '../contract/error.ts';
import type { FenceAgent, FenceOptions } from '../contract/fence.ts';
import { type Agents, agentDirectory, isPowerAgent } from '../fence/agent.ts';
import { checkOptions } from '../fence/options.ts';
import { openSealed, recipientsOf, sealFor } from '../fence/secrets.ts';
import type { Identity } from '../identity/identity.ts';
import type { Log } from '../log/log.ts';
import type { NodeHandlers } from './handlers.ts';

export type FenceRoutesEnv = {
  agents: Pick<Agents, 'describe' | 'status'>;
  identity: Pick<Identity, 'id' | 'tls'>;
  monotonicMs(): number;
  log: Log;
  directory?: string;
};

export type FenceRoutes = Pick<
  NodeHandlers,
  'getFenceAgents' | 'testFenceDevice' | 'getFenceRecipient' | 'sealFenceSecrets'
>;

/** A person waits for it. */
const testMs = 30_000;

export function fenceRoutes(env: FenceRoutesEnv): FenceRoutes {
  const own = () => ({ host: env.identity.id, privateKeyPem: env.identity.tls().key });
  let listed: Promise<FenceAgent[]> | undefined;
  return {
    getFenceAgents: () => {
      // agents come with the host's image: what is there at the first question is there at all others
      listed ??= listAgents(env).catch((error) => {
        listed = undefined;
        throw error;
      });
      return listed;
    },
    testFenceDevice: async ({ body, signal }) => {
      const { agent, options, stored } = body;
      const kept = stored === undefined ? {} : openSealed(own(), stored.id, stored.secrets);
      const secrets = merged(kept, body.secrets);
      checkOptions(await env.agents.describe(agent), options, secrets);
      const began = env.monotonicMs();
      const state = await env.agents.status({ agent, options, secrets }, { timeoutMs: testMs, signal });
      return { state, says: `status now says: ${state}`, tookMs: Math.round(env.monotonicMs() - began) };
    },
    getFenceRecipient: () => ({ certificate: env.identity.tls().certificate }),
    sealFenceSecrets: async ({ body }) => {
      const { ca } = env.identity.tls();
      if (ca === undefined)
        throw new AppError({
          code: 'host.unjoined',
          family: 'conflict',
          message: 'This host belongs to no cluster yet, so there are no hosts to seal secrets for.',
          remedy: 'Pair it first.',
        });
      const kept = body.stored === undefined ? {} : openSealed(own(), body.id, body.stored);
      const secrets = merged(kept, body.secrets);
      if (body.check !== undefined)
        checkOptions(await env.agents.describe(body.check.agent), body.check.options, secrets);
      return sealFor(recipientsOf(body.certificates, ca), body.id, secrets);
    },
  };
}

/** What is given anew goes first; given as an empty text it is there no more. */
const merged = (kept: FenceOptions, given: FenceOptions): FenceOptions =>
  Object.fromEntries(Object.entries({ ...kept, ...given }).filter(([, value]) => value !== ''));

/** An agent that cannot describe itself is left out: its packages may be incomplete. One after the other: each is a Python. */
async function listAgents(env: FenceRoutesEnv): Promise<FenceAgent[]> {
  const names = (await readdir(env.directory ?? agentDirectory)).filter(isPowerAgent).sort();
  const agents: FenceAgent[] = [];
  for (const name of names) {
    try {
      agents.push(await env.agents.describe(name));
    } catch (error) {
      env.log.error('a fence agent cannot be offered', error, { agent: name });
    }
  }
  return agents;
}
