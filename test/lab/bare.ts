import { bundleAll } from '../../image/bundle.ts';
import { buildHostTree } from '../../image/host/build.ts';
import { localPairingSchema } from '../../node/contract/pairing.ts';
import { agentOf, askAgent } from '../support/agent.ts';
import { eventually } from '../support/eventually.ts';
import type { Lab, LabHost } from './lab.ts';
import { fillProduct, type ProductImages } from './product.ts';

/** Boots the lab's hosts with the programs as they are now; they belong to no cluster. */
export async function startBare(lab: Lab, images?: ProductImages): Promise<void> {
  const failed = (await bundleAll(['trefoil-node.mjs', 'trefoil-installer.mjs'])).filter(
    (one) => one.state === 'failed',
  );
  if (failed.length > 0) throw new Error(failed.map(({ name, why }) => `${name}: ${why}`).join('\n'));
  const { tree } = await buildHostTree();
  await lab.start({ tree, product: (folder) => fillProduct(folder, images) });
  await Promise.all(lab.hosts.map((host) => host.waitBooted()));
  await waitBare(lab);
}

/** Exits with 0 when the agent at the address answers who is not of its cluster; asked from inside another host. */
const knock = `const [host] = process.argv.slice(1);
const asked = require('node:https').get({ host, port: 7440, path: '/pair/v1/host', rejectUnauthorized: false, timeout: 3000 },
  (answer) => { answer.resume(); answer.on('end', () => process.exit(answer.statusCode === 200 ? 0 : 1)); });
asked.on('timeout', () => process.exit(1));
asked.on('error', () => process.exit(1));
`;

/**
 * Waits until every host belongs to nobody, has its disk free and can be reached from the first one, and reads the code
 * that each shows now: an agent that starts anew, or that was tried too often, has another.
 */
export async function waitBare(lab: Lab, deadlineMs = 60_000): Promise<{ pairingCode: string }[]> {
  const [first] = lab.hosts;
  if (first === undefined) throw new Error('a lab has a host');
  return Promise.all(
    lab.hosts.map((host) =>
      eventually(`${host.plan.name} to be bare and to answer`, () => bareCode(first, host), {
        deadlineMs,
        everyMs: 200,
      }),
    ),
  );
}

async function bareCode(first: LabHost, host: LabHost): Promise<{ pairingCode: string }> {
  const { membership, disks } = await agentOf(host).call('getHost');
  if (membership.state !== 'unjoined') throw new Error(`it belongs to ${membership.clusterName}`);
  if (!disks.some((disk) => disk.use === 'free'))
    throw new Error(`no free disk: ${disks.map((disk) => `${disk.path} ${disk.contents}`).join('; ')}`);
  await first.exec(['/usr/lib/trefoil/node', '-e', knock, host.plan.address], { timeoutMs: 10_000 });
  const { code } = localPairingSchema.parse((await askAgent(host, 'GET', '/local/v1/pairing')).body);
  return { pairingCode: code };
}
