import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { FenceAgent, FenceDevice, FenceOptions } from '../../../node/contract/fence.ts';
import { readMetadata } from '../../../node/fence/metadata.ts';
import { checkOptions } from '../../../node/fence/options.ts';
import { openSealed, recipientsOf, sealFor } from '../../../node/fence/secrets.ts';
import { privateKeyToPem } from '../../../node/identity/certificate.ts';
import { type Handlers, refuse, takes } from './handlers.ts';
import type { FakeHost } from './model.ts';
import { askPower } from './power.ts';

/** The real agents' own descriptions and the real sealing, by each host's own key; the devices are simulated. */
const captured = join(import.meta.dirname, '../../../node/fence/captured');
let agents: FenceAgent[] | undefined;
const all = (): FenceAgent[] => {
  agents ??= readdirSync(captured)
    .filter((file) => file.endsWith('.xml'))
    .map((file) => readMetadata(file.slice(0, -4), readFileSync(join(captured, file), 'utf8')));
  return agents;
};
const agentCalled = (name: string): FenceAgent => {
  const agent = all().find((each) => each.name === name);
  if (agent !== undefined) return agent;
  throw refuse('missing', 'fence.agent-missing', `There is no fence agent ${name} on this host.`);
};

export async function openFence(
  host: FakeHost,
  { id, secrets }: Pick<FenceDevice, 'id' | 'secrets'>,
): Promise<FenceOptions> {
  const privateKeyPem = await privateKeyToPem(host.keys.privateKey);
  return openSealed({ host: host.id, privateKeyPem }, id, secrets);
}

const merged = (kept: FenceOptions, given: FenceOptions): FenceOptions =>
  Object.fromEntries(Object.entries({ ...kept, ...given }).filter(([, value]) => value !== ''));

type Names = 'getFenceAgents' | 'testFenceDevice' | 'getFenceRecipient' | 'sealFenceSecrets';

export const fenceHandlers: Pick<Handlers, Names> = {
  getFenceAgents: () => all(),
  testFenceDevice: async ({ world, host, body }) => {
    const kept = body.stored === undefined ? {} : await openFence(host, body.stored);
    const secrets = merged(kept, body.secrets);
    checkOptions(agentCalled(body.agent), body.options, secrets);
    await takes(world, 300);
    const state = askPower(world, host.id, body.options, secrets);
    return { state, says: `status now says: ${state}`, tookMs: 300 };
  },
  getFenceRecipient: ({ host }) => ({ certificate: host.kept.join?.certificate ?? host.selfSigned }),
  sealFenceSecrets: async ({ host, body }) => {
    const { join: joined } = host.kept;
    if (joined === undefined)
      throw refuse('conflict', 'host.unjoined', 'This host belongs to no cluster yet.', 'Pair it first.');
    const kept =
      body.stored === undefined ? {} : await openFence(host, { id: body.id, secrets: body.stored });
    const secrets = merged(kept, body.secrets);
    if (body.check !== undefined) checkOptions(agentCalled(body.check.agent), body.check.options, secrets);
    return sealFor(recipientsOf(body.certificates, joined.caCertificate), body.id, secrets);
  },
};
