import { z } from 'zod';
import { bundleAll } from '../../image/bundle.ts';
import { buildHostTree } from '../../image/host/build.ts';
import { hostInfoSchema } from '../../node/contract/host.ts';
import { localPairingSchema } from '../../node/contract/pairing.ts';
import { eventually } from '../support/eventually.ts';
import type { Lab, LabHost } from './lab.ts';
import { fillProduct, type ProductImages } from './product.ts';

/** Boots the lab's hosts with the programs as they are now; they belong to no cluster. */
export async function startBare(lab: Lab, images?: ProductImages): Promise<void> {
  const failed = (await bundleAll(['trefoil-node.mjs', 'trefoil-ha.mjs', 'trefoil-installer.mjs'])).filter(
    (one) => one.state === 'failed',
  );
  if (failed.length > 0) throw new Error(failed.map(({ name, why }) => `${name}: ${why}`).join('\n'));
  const { tree } = await buildHostTree();
  await lab.start({ tree, product: (folder) => fillProduct(folder, images) });
  await Promise.all(lab.hosts.map((host) => host.waitBooted()));
  await waitBare(lab);
}

/** What an agent says of its host, to root there; one process for both questions. */
const askHost = `const get = (path) => new Promise((done, fail) => {
  const asked = require('node:http').get({ socketPath: '/run/trefoil/node.sock', path, timeout: 10000 }, (answer) => {
    let text = '';
    answer.on('data', (chunk) => { text += chunk; });
    answer.on('end', () => done(JSON.parse(text)));
  });
  asked.on('error', fail);
  asked.on('timeout', () => asked.destroy(new Error('no answer')));
});
Promise.all([get('/v1/host'), get('/local/v1/pairing')]).then(
  ([info, pairing]) => console.log(JSON.stringify({ info, pairing })),
  (error) => { console.error(error.message); process.exit(1); },
);`;
// A host of a cluster shows no code: it is read once that is known.
const saidSchema = z.object({ info: hostInfoSchema, pairing: z.unknown() });

/** Ends well when the agents at these addresses answer who is not of their cluster. */
const knock = `Promise.all(process.argv.slice(1).map((host) => new Promise((done, fail) => {
  const options = { host, port: 7440, path: '/pair/v1/host', rejectUnauthorized: false, timeout: 3000 };
  const asked = require('node:https').get(options, (answer) => {
    answer.resume();
    answer.on('end', () => (answer.statusCode === 200 ? done() : fail(new Error(host + ' answers ' + answer.statusCode))));
  });
  asked.on('timeout', () => asked.destroy(new Error(host + ' does not answer')));
  asked.on('error', fail);
}))).catch((error) => { console.error(error.message); process.exit(1); });`;

const script = (host: LabHost, text: string, ...more: string[]) =>
  host.exec(['/usr/lib/trefoil/node', '-e', text, ...more], { timeoutMs: 15_000 });

/**
 * Waits until every host belongs to nobody, has its disk free and can be reached from the first one, and reads the code
 * that each shows now: an agent that starts anew, or that was tried too often, has another.
 */
export async function waitBare(lab: Lab, deadlineMs = 60_000): Promise<{ pairingCode: string }[]> {
  const [first] = lab.hosts;
  if (first === undefined) throw new Error('a lab has a host');
  const addresses = lab.hosts.map((host) => host.plan.address);
  return eventually(
    'the hosts to be bare and to answer',
    async () => {
      const codes = await Promise.all(lab.hosts.map(bareCode));
      await script(first, knock, ...addresses);
      return codes;
    },
    { deadlineMs, everyMs: 200 },
  );
}

async function bareCode(host: LabHost): Promise<{ pairingCode: string }> {
  const { info, pairing } = saidSchema.parse(JSON.parse((await script(host, askHost)).stdout));
  const { name } = host.plan;
  if (info.membership.state !== 'unjoined')
    throw new Error(`${name} belongs to ${info.membership.clusterName}`);
  if (!info.disks.some((disk) => disk.use === 'free'))
    throw new Error(
      `${name} has no free disk: ${info.disks.map(({ path, contents }) => `${path} ${contents}`).join('; ')}`,
    );
  return { pairingCode: localPairingSchema.parse(pairing).code };
}
