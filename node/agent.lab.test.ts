import * as assert from 'uvu/assert';
import { readClusterFile } from '../test/lab/cluster-file.ts';
import { type LabHost, openLab } from '../test/lab/lab.ts';
import { eventually } from '../test/support/eventually.ts';
import { suite } from '../test/support/suite.ts';
import { discoveredSchema, hostInfoSchema } from './contract/host.ts';
import { networkStatusSchema } from './contract/network.ts';
import { nodeRoutes } from './contract/routes.ts';

/** The agents of a formed cluster, as seen from inside its hosts. Changes nothing. */
const test = suite('agents in the formed cluster', { deadlineMs: 60_000 });
const cluster = await readClusterFile();
const lab = await openLab({ ...(cluster === undefined ? {} : { hosts: cluster.hosts.length }) });
const [first] = lab.hosts;
if (cluster === undefined || first === undefined) throw new Error('no lab is up: npm run up');

/** Runs inside a host. `who` is root on its own socket, the host with its certificate, or a stranger without any. */
const script = `
const [who, address, ...calls] = process.argv.slice(1);
const fs = require('node:fs');
const pem = (name) => fs.readFileSync('/var/lib/trefoil/identity/tls/' + name + '.pem');
const tls = who === 'host' ? { key: pem('key'), cert: pem('certificate'), ca: pem('ca'), checkServerIdentity: () => undefined } : { rejectUnauthorized: false };
const at = who === 'root' ? { socketPath: '/run/trefoil/node.sock' } : { host: address, port: 7440, ...tls };
const send = require(who === 'root' ? 'node:http' : 'node:https').request;
const one = (call) => new Promise((resolve, reject) => {
  const [method, path] = call.split(' ');
  const asked = send({ ...at, method, path }, (answer) => {
    let text = '';
    answer.on('data', (chunk) => { text += chunk; });
    answer.on('end', () => resolve({ call, status: answer.statusCode, text }));
  });
  asked.on('error', reject);
  asked.end();
});
(async () => {
  const answers = [];
  for (const call of calls) answers.push(await one(call));
  console.log(JSON.stringify(answers));
})();
`;
type Answer = { call: string; status: number; text: string };
async function ask(on: LabHost, who: 'root' | 'host' | 'stranger', address: string, calls: string[]) {
  const { stdout } = await on.exec(['/usr/lib/trefoil/node', '-e', script, who, address, ...calls]);
  return JSON.parse(stdout) as Answer[]; // what the script above prints
}
const asRoot = async (on: LabHost, path: string): Promise<unknown> => {
  const [answer] = await ask(on, 'root', '', [`GET ${path}`]);
  assert.is(answer?.status, 200, answer?.text);
  return JSON.parse(answer?.text ?? '');
};

test('every host belongs to the cluster under its own name', async () => {
  const ids = new Set<string>();
  for (const host of lab.hosts) {
    const info = hostInfoSchema.parse(await asRoot(host, '/v1/host'));
    assert.is(info.membership.state, 'joined');
    assert.ok(
      cluster.hosts.some(({ name }) => name === info.name),
      info.name,
    );
    if (info.membership.state === 'joined') ids.add(info.membership.clusterId);
  }
  assert.is(ids.size, 1);
});

test('hosts still see each other, as members', async () => {
  for (const host of lab.hosts)
    await eventually(
      `${host.plan.name} sees the others`,
      async () => {
        const { hosts } = discoveredSchema.parse(await asRoot(host, '/v1/discovered'));
        const members = hosts.filter(({ state }) => state === 'joined');
        return members.length >= lab.hosts.length - 1;
      },
      { deadlineMs: 40_000, everyMs: 1_000 },
    );
});

test('a host may look at another host and nothing more', async () => {
  const other = lab.hosts.at(-1) ?? first;
  const calls = Object.values(nodeRoutes).filter(({ method }) => method === 'GET');
  const answers = await ask(
    first,
    'host',
    other.plan.address,
    calls.map(({ path }) => `GET ${path.replace('{id}', '00000000-0000-4000-8000-000000000000')}`),
  );
  for (const [i, answer] of answers.entries()) {
    const roles: readonly string[] = calls[i]?.roles ?? [];
    assert.is(answer.status === 403, !roles.includes('host'), `${answer.call}: ${answer.status}`);
  }
});

test('who has no certificate of the cluster is told nothing but what mDNS tells', async () => {
  const answers = await ask(first, 'stranger', first.plan.address, [
    ...Object.values(nodeRoutes).map(({ method, path }) => `${method} ${path}`),
    'GET /v1/events',
    'POST /pair/v1/start',
    'GET /local/v1/pairing',
    'GET /pair/v1/host',
  ]);
  const statuses = answers.map(({ status }) => status);
  assert.is(statuses.pop(), 200);
  assert.is(statuses.pop(), 404);
  assert.is(statuses.pop(), 403);
  assert.ok(statuses.every((status) => status === 401));
});

test('the networks are confirmed: a bridge for VMs with the address of its card, and the storage network', async () => {
  for (const host of lab.hosts) {
    const status = networkStatusSchema.parse(await asRoot(host, '/v1/network'));
    assert.is(status.state, 'confirmed');
    assert.ok(status.networks.some(({ bridge }) => bridge));
    const addresses = status.nics.flatMap((nic) => nic.addresses.map((address) => address.split('/')[0]));
    assert.ok(addresses.includes(host.plan.address));
    assert.ok(addresses.includes(host.plan.storageAddress));
  }
});

test('the agent stays small', async () => {
  const { stdout } = await first.exec([
    'sh',
    '-c',
    'grep VmRSS /proc/$(systemctl show --property=MainPID --value trefoil-node.service)/status',
  ]);
  const mebibytes = Number(/(\d+) kB/.exec(stdout)?.[1]) / 1024;
  assert.ok(mebibytes < 200, `${Math.round(mebibytes)} MiB`);
});

test.run();
