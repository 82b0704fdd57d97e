import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { FenceAgent } from '../../../node/contract/fence.ts';
import { readMetadata } from '../../../node/fence/metadata.ts';
import { checkOptions } from '../../../node/fence/options.ts';
import { type Handlers, refuse, takes } from './handlers.ts';

/** The real agents' own descriptions; the devices are simulated: the password "wrong" is, the plug is on. */
const captured = join(import.meta.dirname, '../../../node/fence/captured');
let agents: FenceAgent[] | undefined;
const all = (): FenceAgent[] => {
  agents ??= readdirSync(captured)
    .filter((file) => file.endsWith('.xml'))
    .map((file) => readMetadata(file.slice(0, -4), readFileSync(join(captured, file), 'utf8')));
  return agents;
};
const base64 = (text: string): string => Buffer.from(text).toString('base64');

export const fenceHandlers: Pick<Handlers, 'getFenceAgents' | 'testFenceDevice' | 'sealFenceSecrets'> = {
  getFenceAgents: () => all(),
  testFenceDevice: async ({ world, body }) => {
    const agent = all().find(({ name }) => name === body.agent);
    if (agent === undefined)
      throw refuse('missing', 'fence.agent-missing', `There is no fence agent ${body.agent} on this host.`);
    const kept = Object.fromEntries((body.stored?.secrets.names ?? []).map((name) => [name, 'kept']));
    const secrets = { ...kept, ...body.secrets };
    checkOptions(agent, body.options, secrets);
    await takes(world, 300);
    if (secrets['password'] === 'wrong')
      throw refuse('denied', 'fence.login-refused', 'The device refused the user or the password.');
    return { state: 'on', says: 'status now says: on', tookMs: 300 };
  },
  sealFenceSecrets: ({ world, body }) => ({
    names: [...new Set([...(body.stored?.names ?? []), ...Object.keys(body.secrets)])].sort(),
    copies: Object.fromEntries(
      [...world.hosts.values()].map((host) => [
        host.id,
        { key: '0'.repeat(64), ephemeral: base64('e'), nonce: base64('n'), sealed: base64('simulated') },
      ]),
    ),
  }),
};
