import { randomUUID } from 'node:crypto';
import * as assert from 'uvu/assert';
import { bundleAll } from '../image/bundle.ts';
import { buildHostTree } from '../image/host/build.ts';
import { type LabHost, openLab } from '../test/lab/lab.ts';
import { fillProduct } from '../test/lab/product.ts';
import { agentOf, askAgent, errorCodeOf } from '../test/support/agent.ts';
import { makeTestCa, type TestCa } from '../test/support/certificates.ts';
import { eventually } from '../test/support/eventually.ts';
import { suite } from '../test/support/suite.ts';
import type { HostNetwork } from './contract/network.ts';
import { type Join, localCsrSchema, localPairingSchema } from './contract/pairing.ts';

/** The agents of three bare hosts: they find each other, are paired, and change their networks. Steps follow each other. */
const test = suite('agents on real hosts', { deadlineMs: 60_000 });
const lab = await openLab({ prefix: 'tfnode', hosts: 3 });
const [host1, host2, host3] = [lab.host('host1'), lab.host('host2'), lab.host('host3')];
let ca: TestCa;
const clusterId = randomUUID();

test.before(async () => {
  await bundleAll(['trefoil-node.mjs']);
  const { tree } = await buildHostTree();
  ca = await makeTestCa();
  await lab.start({ tree, product: fillProduct });
  await Promise.all(lab.hosts.map((host) => host.waitBooted()));
  for (const host of lab.hosts) await eventually('the agent', () => codeOn(host), { deadlineMs: 20_000 });
});
test.after(async () => {
  await lab.stop();
});

const codeOn = async (host: LabHost): Promise<string> =>
  localPairingSchema.parse((await askAgent(host, 'GET', '/local/v1/pairing')).body).code;

test('each host shows its name, its address and a code on its console', async () => {
  for (const host of lab.hosts) {
    const code = await codeOn(host);
    await eventually('the console', async () => {
      const text = await host.console();
      return text.includes(code) && text.includes(host.plan.address) && text.includes(host.plan.name);
    });
  }
});

test('hosts find each other, by IPv4 and on the network that has no addresses yet', async () => {
  for (const host of lab.hosts)
    await eventually(
      `${host.plan.name} sees the others`,
      async () => {
        const { hosts } = await agentOf(host).call('getDiscovered');
        const others = lab.hosts.filter((other) => other !== host);
        return others.every((other) =>
          hosts.some(
            ({ name, addresses, state }) =>
              name === other.plan.name &&
              state === 'unjoined' &&
              addresses[0] === other.plan.address &&
              addresses.some((address) => /^fe80:.*%stor0$/.test(address)),
          ),
        );
      },
      { deadlineMs: 30_000, everyMs: 500 },
    );
});

test('a wrong code ends in one sentence; after five there is another code', async () => {
  const agent = agentOf(host1);
  const before = await codeOn(host2);
  for (let i = 0; i < 5; i++) {
    const start = agent.call('startPairing', { body: { address: host2.plan.address, code: 'WRNGWRNG' } });
    assert.is(await errorCodeOf(start), 'pairing.wrong-code');
  }
  await eventually('another code', async () => (await codeOn(host2)) !== before);
});

async function joinOf(hostId: string, hostName: string, csr: string): Promise<Join> {
  return {
    clusterId,
    clusterName: 'office',
    hostName,
    certificate: await ca.sign(csr, { id: hostId, role: 'host', addresses: ['127.0.0.1'] }),
    caCertificate: ca.certificate,
  };
}

test('the first host joins by its socket, the others are looked at, measured and paired', async () => {
  const body = localCsrSchema.parse((await askAgent(host1, 'POST', '/local/v1/csr')).body);
  assert.is(
    (await askAgent(host1, 'POST', '/local/v1/join', await joinOf(body.hostId, 'alpha', body.csr))).status,
    204,
  );
  const agent = agentOf(host1);
  for (const host of [host2, host3]) {
    const code = (await codeOn(host)).toLowerCase();
    const { id, hostId, csr } = await agent.call('startPairing', {
      body: { address: host.plan.address, code },
    });
    const info = await agent.call('getPairingHost', { params: { id } });
    assert.equal([info.id, info.name, info.membership.state], [hostId, host.plan.name, 'unjoined']);
    assert.equal(info.nics.map(({ name }) => name).sort(), ['mgmt0', 'stor0']);
    const report = await agent.call('preflightPairing', {
      params: { id },
      body: {
        peers: [{ network: 'mgmt', from: 'mgmt0', address: host1.plan.address, mtu: 1500 }],
        wanted: [
          { nic: 'mgmt0', address: host1.plan.address },
          { nic: 'mgmt0', address: '10.77.0.200' },
        ],
      },
    });
    assert.equal([report.reach[0]?.reachable, report.reach[0]?.fullMtu], [true, true]);
    assert.equal(report.addressConflicts, [{ address: host1.plan.address, mac: host1.plan.mac.mgmt }]);
    await agent.call('finishPairing', {
      params: { id },
      body: await joinOf(hostId, `${host.plan.name}x`, csr),
    });
  }
  for (const host of lab.hosts) assert.is((await agentOf(host).call('getHost')).membership.state, 'joined');
});

test('who has joined has no code, takes the name it was given, and says so on its console', async () => {
  assert.is((await askAgent(host2, 'GET', '/local/v1/pairing')).status, 409);
  await eventually('the name', async () => (await host2.exec(['hostname'])).stdout.trim() === 'host2x');
  await eventually('the console', async () => (await host2.console()).includes('Cluster:       office'));
  const again = agentOf(host1).call('startPairing', {
    body: { address: host2.plan.address, code: 'ABCDEFGH' },
  });
  assert.is(await errorCodeOf(again), 'pairing.already-joined');
});

test('after a power cut a host is what it was', async () => {
  await host3.powerOff();
  await eventually(
    'host3 is gone from the list',
    async () => (await agentOf(host1).call('getDiscovered')).hosts.every(({ name }) => name !== 'host3x'),
    { deadlineMs: 58_000, everyMs: 1_000 },
  );
  await host3.powerOn();
  await host3.waitBooted();
  const info = await eventually('the agent', () => agentOf(host3).call('getHost'), { deadlineMs: 20_000 });
  assert.is(info.membership.state, 'joined');
});

const networks: HostNetwork[] = [
  { name: 'mgmt', nic: 'mgmt0', mtu: 1500, bridge: true, addressing: { kind: 'dhcp' } },
  {
    name: 'storage',
    nic: 'stor0',
    mtu: 1500,
    bridge: false,
    addressing: { kind: 'static', address: '10.77.1.12/24', dns: [] },
  },
];
const addressesOn = async (host: LabHost, device: string) =>
  (await host.exec(['ip', '-brief', '-4', 'address', 'show', device], { okExitCodes: [1] })).stdout;

test('networks change with the address kept, and a change that is not confirmed is taken back', async () => {
  const agent = agentOf(host2);
  const body = { generation: 1, networks, confirmWithinMs: 5_000 };
  const status = await agent.call('putNetwork', { body });
  assert.is(status.state, 'waiting-for-confirmation');
  assert.match(await addressesOn(host2, 'br-mgmt'), new RegExp(host2.plan.address));
  assert.match(await addressesOn(host2, 'stor0'), /10\.77\.1\.12/);
  await eventually('it is taken back', async () => (await agent.call('getNetwork')).state === 'reverted');
  await eventually('the card has its address again', async () =>
    (await addressesOn(host2, 'mgmt0')).includes(host2.plan.address),
  );
  assert.not.match(await addressesOn(host2, 'stor0'), /10\.77\.1\.12/);
  assert.is(await addressesOn(host2, 'br-mgmt'), '');
});

test('a change that cut the host off is taken back, also when the agent dies meanwhile', async () => {
  const wrong: HostNetwork = {
    name: 'mgmt',
    nic: 'mgmt0',
    mtu: 1500,
    bridge: true,
    addressing: { kind: 'static', address: '192.168.99.9/24', dns: [] },
  };
  await agentOf(host2).call('putNetwork', {
    body: { generation: 2, networks: [wrong], confirmWithinMs: 6_000 },
  });
  assert.not.match(await addressesOn(host2, 'br-mgmt'), new RegExp(host2.plan.address));
  await host2.exec(['systemctl', 'kill', '--signal=SIGKILL', 'trefoil-node.service']);
  await eventually(
    'the host is back',
    async () => (await addressesOn(host2, 'mgmt0')).includes(host2.plan.address),
    { deadlineMs: 20_000 },
  );
});

test('a confirmed change stays, over a power cut too', async () => {
  const agent = agentOf(host2);
  await agent.call('putNetwork', { body: { generation: 3, networks, confirmWithinMs: 30_000 } });
  assert.is((await agent.call('confirmNetwork', { body: { generation: 3 } })).state, 'confirmed');
  await host2.powerOff();
  await host2.powerOn();
  await host2.waitBooted();
  await eventually(
    'the bridge is back',
    async () => (await addressesOn(host2, 'br-mgmt')).includes(host2.plan.address),
    { deadlineMs: 20_000 },
  );
  assert.match(await addressesOn(host2, 'stor0'), /10\.77\.1\.12/);
  assert.is((await agent.call('getNetwork')).state, 'confirmed');
});

test('the units of the host are known, and chrony takes servers', async () => {
  const units = await agentOf(host1).call('getUnits');
  assert.is(units.find(({ name }) => name === 'trefoil-node.service')?.activeState, 'active');
  const time = await agentOf(host1).call('putTime', { body: { servers: [], peers: [host2.plan.address] } });
  assert.ok(Array.isArray(time.sources));
});

test('a host that leaves is found again, unjoined, with a new code and its default network', async () => {
  await agentOf(host2).call('leave');
  await agentOf(host2).call('leave');
  assert.is((await agentOf(host2).call('getHost')).membership.state, 'unjoined');
  assert.ok(await codeOn(host2));
  await eventually(
    'host1 sees it unjoined',
    async () =>
      (await agentOf(host1).call('getDiscovered')).hosts.some(
        ({ addresses, state }) => state === 'unjoined' && addresses.includes(host2.plan.address),
      ),
    { deadlineMs: 40_000, everyMs: 1_000 },
  );
  assert.match(await addressesOn(host2, 'mgmt0'), new RegExp(host2.plan.address));
});

test('disks are known and measured; the disk of a host is free until it is taken', async () => {
  const agent = agentOf(host1);
  const { disks } = await agent.call('getHost');
  assert.equal(
    disks.map(({ use }) => use),
    ['free'],
  );
  const body = { peers: [], fsyncDirectory: '/var/lib/trefoil' };
  const { fsync } = await agent.call('preflight', { body });
  assert.ok((fsync?.samples ?? 0) >= 20 && (fsync?.p99Ms ?? 0) > 0);
});

test('an idle agent is small and quiet', async () => {
  const pid = (
    await host1.exec(['systemctl', 'show', '--property=MainPID', '--value', 'trefoil-node.service'])
  ).stdout.trim();
  const ticks = async () => {
    const fields = (await host1.exec(['cat', `/proc/${pid}/stat`])).stdout.split(') ')[1]?.split(' ') ?? [];
    // utime, stime and those of children that have ended, in hundredths of a second
    return [11, 12, 13, 14].reduce((sum, i) => sum + Number(fields[i]), 0);
  };
  const before = await ticks();
  const began = performance.now();
  await new Promise((resolve) => setTimeout(resolve, 20_000));
  const used = (await ticks()) - before;
  const percent = (1000 * used) / (performance.now() - began);
  const { stdout } = await host1.exec(['grep', 'VmRSS', `/proc/${pid}/status`]);
  const mebibytes = Number(/(\d+) kB/.exec(stdout)?.[1]) / 1024;
  console.log(`idle agent: ${Math.round(mebibytes)} MiB, ${percent.toFixed(1)} % of a core`);
  assert.ok(mebibytes < 200 && percent < 5);
});

test('a host powers itself off when told', async () => {
  await agentOf(host3).call('power', { body: { action: 'power-off' } });
  await eventually('it is off', async () => (await host3.state()) === 'off', { deadlineMs: 50_000 });
});

test.run();
