import { type NodeEvent, nodeEventSchema } from '../../node/contract/events.ts';
import type { Lab, LabHost } from '../lab/lab.ts';
import { agentOf } from './agent.ts';

/** The agents of a lab's bare hosts make a storage pool of their disks, without a cluster around it. */
export async function makePool(lab: Lab, volumes: readonly string[]): Promise<void> {
  const addresses = lab.hosts.map(({ plan }) => plan.address);
  const [first] = lab.hosts;
  if (first === undefined) throw new Error('a pool needs hosts');
  // each has its own glusterd before the first one looks for the others
  await Promise.all(lab.hosts.map((host) => agentOf(host).call('putPeers', { body: { addresses: [] } })));
  await agentOf(first).call('putPeers', { body: { addresses } });
  for (const host of lab.hosts)
    await agentOf(host).call('putBrick', {
      params: { name: 'main' },
      body: { generation: 1, place: { kind: 'disk', serial: host.plan.diskSerial } },
    });
  for (const name of volumes) {
    await agentOf(first).call('putVolume', {
      params: { name },
      body: {
        generation: 1,
        layout: { kind: 'replica-3' },
        bricks: addresses.map((address) => ({ address, path: brickOf(name) })),
        allowedAddresses: addresses,
      },
    });
    for (const host of lab.hosts)
      await agentOf(host).call('putMount', {
        params: { name },
        body: { generation: 1, servers: [host.plan.address, ...addresses] },
      });
  }
}

export const brickOf = (volume: string): string => `/var/lib/trefoil/bricks/main/${volume}`;
export const mountOf = (volume: string): string => `/var/lib/trefoil/volumes/${volume}`;

const eventsFile = '/var/tmp/agent-events';
const listener = `const file = require('node:fs').createWriteStream('${eventsFile}');
require('node:http').get({ socketPath: '/run/trefoil/node.sock', path: '/v1/events' }, (answer) => answer.pipe(file));`;

/** From now on what the agent of this host tells is kept. */
export async function followEvents(host: LabHost): Promise<void> {
  await host.exec(['systemctl', 'stop', 'try-events.service'], { okExitCodes: [5] });
  await host.exec(['systemd-run', '--unit=try-events', '--collect', '/usr/lib/trefoil/node', '-e', listener]);
}

export async function eventsOf(host: LabHost): Promise<NodeEvent[]> {
  const { stdout } = await host.exec(['cat', eventsFile]);
  return stdout
    .split('\n')
    .filter((line) => line.startsWith('data:'))
    .flatMap((line) => {
      // the last line may be half written
      try {
        return [nodeEventSchema.parse(JSON.parse(line.slice('data:'.length)))];
      } catch {
        return [];
      }
    });
}

export const noticesOf = async (host: LabHost): Promise<string[]> =>
  (await eventsOf(host)).flatMap((event) => (event.kind === 'notice' ? [event.code] : []));
