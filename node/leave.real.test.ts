import { randomUUID } from 'node:crypto';
import * as assert from 'uvu/assert';
import { bundleAll } from '../image/bundle.ts';
import { buildHostTree } from '../image/host/build.ts';
import { openLab } from '../test/lab/lab.ts';
import { fillProduct } from '../test/lab/product.ts';
import { agentOf, askAgent, errorCodeOf } from '../test/support/agent.ts';
import { makeTestCa } from '../test/support/certificates.ts';
import { eventually } from '../test/support/eventually.ts';
import { suite } from '../test/support/suite.ts';
import { localCsrSchema } from './contract/pairing.ts';

/** One host is all of a cluster: networks, etcd, brick, volume, mount; then it leaves and is as it was. Steps follow. */
const test = suite('a host joins and leaves', { deadlineMs: 100_000 });
const lab = await openLab({ prefix: 'tfleave', hosts: 1 });
const host = lab.host('host1');
const agent = agentOf(host);
const storage = host.plan.storageAddress;
let serial = '';

test.before(async () => {
  await bundleAll(['trefoil-node.mjs']);
  const { tree } = await buildHostTree();
  await lab.start({ tree, product: fillProduct });
  await host.waitBooted();
  await eventually('the agent', () => agent.call('getHost'), { deadlineMs: 20_000 });
});
test.after(async () => {
  await lab.stop();
});

const isThere = async (path: string) =>
  (await host.exec(['test', '-e', path], { okExitCodes: [1] })).exitCode === 0;
const activeUnits = async (...units: string[]) =>
  (await host.exec(['systemctl', 'is-active', ...units], { okExitCodes: [3, 4] })).stdout.trim().split('\n');

for (const round of ['first', 'second']) {
  test(`${round}: it becomes a cluster of its own`, async () => {
    const ca = await makeTestCa();
    const { hostId, csr } = localCsrSchema.parse((await askAgent(host, 'POST', '/local/v1/csr')).body);
    const certificate = await ca.sign(csr, {
      id: hostId,
      role: 'host',
      addresses: ['127.0.0.1', storage, host.plan.address],
    });
    const joined = await askAgent(host, 'POST', '/local/v1/join', {
      clusterId: randomUUID(),
      clusterName: 'office',
      hostName: 'alpha',
      certificate,
      caCertificate: ca.certificate,
    });
    assert.is(joined.status, 204, JSON.stringify(joined.body));
    const networks = [
      { name: 'mgmt', nic: 'mgmt0', bridge: true, addressing: { kind: 'dhcp' as const } },
      {
        name: 'storage',
        nic: 'stor0',
        bridge: false,
        addressing: { kind: 'static' as const, address: `${storage}/24` },
      },
    ];
    await agent.call('putNetwork', { body: { generation: 1, networks, confirmWithinMs: 30_000 } });
    await agent.call('confirmNetwork', { body: { generation: 1 } });
    await agent.call('putEtcd', {
      body: {
        generation: 1,
        name: 'alpha',
        address: storage,
        members: [{ name: 'alpha', address: storage }],
        initialState: 'new',
        clusterToken: randomUUID(),
      },
    });
    await eventually('etcd serves', async () => (await agent.call('getEtcd')).healthy, {
      deadlineMs: 40_000,
      everyMs: 500,
    });
  });

  test(`${round}: it makes a volume on its disk and mounts it`, async () => {
    const [disk] = (await agent.call('getHost')).disks;
    serial = disk?.serial ?? '';
    assert.is(disk?.use, 'free');
    const place = { kind: 'disk' as const, serial };
    const brick = await agent.call('putBrick', { params: { name: 'main' }, body: { generation: 1, place } });
    assert.ok(brick.mounted);
    await agent.call('putPeers', { body: { addresses: [storage] } });
    await agent.call('putVolume', {
      params: { name: 'data' },
      body: {
        generation: 1,
        layout: { kind: 'single' },
        bricks: [{ address: storage, path: `${brick.path}/data` }],
        allowedAddresses: [storage],
      },
    });
    const volume = await agent.call('putMount', {
      params: { name: 'data' },
      body: { generation: 1, servers: [storage] },
    });
    assert.ok(volume.mounted);
    await host.exec(['touch', '/var/lib/trefoil/volumes/data/a-file']);
    assert.is((await agent.call('getHost')).disks[0]?.use, 'brick');
  });

  test(`${round}: it leaves, twice, and is what it was before`, async () => {
    await agent.call('leave');
    await agent.call('leave');
    const info = await agent.call('getHost');
    assert.is(info.membership.state, 'unjoined');
    assert.equal(
      info.disks.map(({ use, serial: one }) => [use, one]),
      [['free', serial]],
    );
    assert.equal(await activeUnits('etcd.service', 'glusterd.service'), ['inactive', 'inactive']);
    assert.equal(await agent.call('getBricks'), []);
    assert.equal(await agent.call('getVolumes'), []);
    assert.is((await agent.call('getNetwork')).state, 'default');
    assert.is((await agent.call('getEtcd')).configured, false);
    for (const path of ['/var/lib/etcd/trefoil/member', '/var/lib/trefoil/identity/membership.json'])
      assert.not(await isThere(path), path);
    const { stdout } = await host.exec(['cat', '/proc/self/mountinfo']);
    assert.not.match(stdout, /\/var\/lib\/trefoil\/(bricks|volumes)\//);
    const orders = agent.call('putEtcd', {
      body: {
        generation: 1,
        name: 'x',
        address: storage,
        members: [{ name: 'x', address: storage }],
        initialState: 'new',
        clusterToken: 'token-token',
      },
    });
    assert.is(await errorCodeOf(orders), 'host.unjoined');
  });
}

test.run();
