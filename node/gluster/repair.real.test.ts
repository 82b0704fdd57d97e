import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { rolldown } from 'rolldown';
import * as assert from 'uvu/assert';
import { z } from 'zod';
import { bundleAll } from '../../image/bundle.ts';
import { buildHostTree } from '../../image/host/build.ts';
import { type LabHost, openLab } from '../../test/lab/lab.ts';
import { fillProduct } from '../../test/lab/product.ts';
import { agentOf } from '../../test/support/agent.ts';
import { eventually } from '../../test/support/eventually.ts';
import { brickOf, eventsOf, followEvents, makePool, mountOf, noticesOf } from '../../test/support/pool.ts';
import { suite } from '../../test/support/suite.ts';

/** Three hosts with one volume: clients that are really stuck, a brick that is killed. Nobody but the agents mends it. */
const test = suite('storage that mends itself', { deadlineMs: 240_000 });
const lab = await openLab({ prefix: 'tfmend', hosts: 3 });
const [host1, host2, host3] = [lab.host('host1'), lab.host('host2'), lab.host('host3')];
const folder = await mkdtemp(join(tmpdir(), 'trefoil-mend-'));
const others = [host2, host3];

test.before(async () => {
  await bundleAll(['trefoil-node.mjs']);
  const { tree } = await buildHostTree();
  await lab.start({ tree, product: fillProduct });
  await Promise.all(lab.hosts.map((host) => host.waitBooted()));
  for (const host of lab.hosts)
    await eventually('the agent', () => agentOf(host).call('getHost'), { deadlineMs: 20_000 });
  await makePool(lab, ['data']);
  const program = await rolldown({
    input: join(import.meta.dirname, '../../test/inside/storage.ts'),
    platform: 'node',
  });
  await program.write({ file: join(folder, 'storage.mjs'), format: 'esm', codeSplitting: false });
  await host1.push(join(folder, 'storage.mjs'), '/var/tmp/storage.mjs');
});
test.after(async () => {
  await lab.stop();
  await rm(folder, { recursive: true });
});

const resultSchema = z.object({
  odd: z.string(),
  detachedEarly: z.string(),
  added: z.array(z.string()),
  afterAdd: z.array(z.string()),
  replaced: z.array(z.string()),
  reset: z.string(),
  finished: z.string(),
  healed: z.array(z.string()),
  afterAll: z.array(z.string()),
  deleted: z.array(z.string()),
  detached: z.array(z.string()),
  peers: z.array(z.string()),
});
const statusOn = async (host: LabHost) =>
  (await agentOf(host).call('getVolumes')).find(({ name }) => name === 'data');
const allHealthy = (deadlineMs: number) =>
  eventually(
    'all hosts see the volume whole',
    async () => {
      const seen = await Promise.all(lab.hosts.map(statusOn));
      return seen.every((status) => status?.state === 'healthy' && status.healPending === 0);
    },
    { deadlineMs, everyMs: 1_000 },
  );
const brickPidOn = async (host: LabHost): Promise<number> => {
  const { stdout } = await host.exec(['pgrep', '-f', `^/usr/sbin/glusterfsd.*${brickOf('data')} `]);
  return Number(stdout.trim());
};
const selfHeal = 'process-name glustershd';
const nft = (host: LabHost, rules: string) => host.exec(['nft', '-f', '-'], { input: rules });

/**
 * A client gives a call that nobody answers up after 5 s, by our options. Ones that wait for 10 minutes make the trap last,
 * so that only the agents can open it; the option is taken when a client starts.
 */
async function clientsThatWaitLong(): Promise<void> {
  const gluster = (...words: string[]) =>
    host1.exec(['gluster', '--mode=script', ...words], { timeoutMs: 60_000 });
  await gluster('volume', 'set', 'data', 'client.tcp-user-timeout', '600');
  for (const host of others) {
    await host.exec(['umount', '--lazy', mountOf('data')]);
    await host.exec(['pkill', '-f', selfHeal]);
    await eventually(
      'its self-heal daemon has ended',
      async () => (await host.exec(['pgrep', '-f', selfHeal], { okExitCodes: [1] })).exitCode === 1,
    );
  }
  await gluster('volume', 'start', 'data', 'force');
  for (const host of others)
    await eventually(
      'the agent has mounted it again',
      async () => (await host.exec(['mountpoint', mountOf('data')], { okExitCodes: [1, 32] })).exitCode === 0,
      { deadlineMs: 40_000, everyMs: 500 },
    );
  await allHealthy(60_000);
}

/** Local ports of this host's mount and self-heal daemon, where they wait for an answer to their first packet to that port. */
const callingFrom = async (host: LabHost, port: number): Promise<number[]> => {
  const { stdout } = await host.exec([
    'ss',
    '--no-header',
    '--tcp',
    '--numeric',
    '--processes',
    'state',
    'syn-sent',
    'dst',
    `${host1.plan.address}:${port}`,
  ]);
  return stdout
    .split('\n')
    .filter((line) => line.includes('("glusterfs",'))
    .map((line) => Number(/:(\d+)\s/.exec(line)?.[1]));
};

/**
 * The reconnect trap: after a cut, the mount and the self-heal daemon call the brick's port and never hear an answer,
 * while whoever calls anew gets through. Their calls are sent during the cut; then all but these old calls may pass.
 */
async function cut(host: LabHost, port: number): Promise<number[]> {
  await host.exec(['sysctl', '--write', 'net.ipv4.tcp_syn_retries=20']);
  const to = `ip daddr ${host1.plan.address} tcp dport ${port}`;
  await nft(
    host,
    `table inet trap {
      chain out { type filter hook output priority -10; ${to} drop; }
      chain in { type filter hook input priority -10; ip saddr ${host1.plan.address} tcp sport ${port} drop; }
    }`,
  );
  await host.exec(['ss', '--kill', '--tcp', 'dst', `${host1.plan.address}:${port}`]);
  return eventually(
    `the mount and the self-heal daemon of ${host.plan.name} call`,
    async () => {
      const calling = await callingFrom(host, port);
      return calling.length >= 2 ? calling : undefined;
    },
    { deadlineMs: 30_000 },
  );
}
const letAllButOldCallsPass = (host: LabHost, port: number, old: readonly number[]) =>
  nft(
    host,
    `delete table inet trap
    table inet trap {
      chain out { type filter hook output priority -10; ip daddr ${host1.plan.address} tcp dport ${port} tcp sport { ${old.join(', ')} } drop; }
    }`,
  );

test('clients that stay away from a brick that is back are connected anew, and what waited is healed', async () => {
  await allHealthy(60_000);
  for (const host of others) await followEvents(host);
  await clientsThatWaitLong();
  const listens = await host1.exec(['ss', '--no-header', '--tcp', '--listening', '--numeric', '--processes']);
  const pid = await brickPidOn(host1);
  const port = Number(
    listens.stdout
      .split('\n')
      .find((line) => line.includes(`pid=${pid},`))
      ?.match(/:(\d+)\s/)?.[1],
  );
  assert.ok(port > 0, listens.stdout);
  const calling = await Promise.all(others.map((host) => cut(host, port)));
  await host2.exec(['sh', '-c', `for i in 1 2 3 4 5 6 7 8; do echo kept > ${mountOf('data')}/file$i; done`], {
    timeoutMs: 60_000,
  });
  const began = performance.now();
  const at = (what: string) =>
    console.log(`${what} after ${((performance.now() - began) / 1000).toFixed(1)} s`);
  await Promise.all(others.map((host, index) => letAllButOldCallsPass(host, port, calling[index] ?? [])));

  await eventually(
    'the trap is seen: the brick is up, and this mount is away from it',
    async () => {
      const seen = await Promise.all(others.map(statusOn));
      return seen.every((status) =>
        status?.bricks.some(
          ({ address, online, connectedHere }) =>
            address === host1.plan.address && online && connectedHere === false,
        ),
      );
    },
    { deadlineMs: 70_000, everyMs: 500 },
  );
  at('seen');
  for (const [index, host] of others.entries())
    assert.equal(
      (await callingFrom(host, port)).filter((one) => calling[index]?.includes(one)).length,
      2,
      'they still call in vain',
    );
  await allHealthy(100_000);
  at('mended and healed');
  const told = new Set((await Promise.all(others.map(noticesOf))).flat());
  for (const code of [
    'volume.degraded',
    'volume.mount-reconnected',
    'volume.self-heal-restarted',
    'volume.healthy',
  ])
    assert.ok(told.has(code), `${code} is not among ${[...told].join(', ')}`);
  assert.not.ok(told.has('volume.not-mended'));
  const { stdout } = await host1.exec(['sh', '-c', `cat ${brickOf('data')}/file*`]);
  assert.is(stdout, 'kept\n'.repeat(8));
  for (const host of others) await nft(host, 'delete table inet trap');
});

test('a brick that is killed on a living host is started again', async () => {
  await allHealthy(60_000);
  await followEvents(host3);
  const before = await brickPidOn(host3);
  await host3.exec(['kill', '-KILL', String(before)]);
  await host2.exec(['sh', '-c', `echo meanwhile > ${mountOf('data')}/meanwhile`], { timeoutMs: 30_000 });
  await eventually('it is started', async () => (await noticesOf(host3)).includes('volume.brick-started'), {
    deadlineMs: 40_000,
    everyMs: 1_000,
  });
  assert.is.not(await brickPidOn(host3), before);
  await allHealthy(90_000);
  assert.is((await host3.exec(['cat', `${brickOf('data')}/meanwhile`])).stdout, 'meanwhile\n');
  const states = (await eventsOf(host3)).flatMap((event) =>
    event.kind === 'notice' && event.code.startsWith('volume.') ? [event.code] : [],
  );
  assert.is(states.at(-1), 'volume.healthy', states.join(' '));
});

test('bricks are added, replaced and reset, a host without bricks is detached; each again changes nothing', async () => {
  const { stdout } = await host1.exec(
    ['/usr/lib/trefoil/node', '/var/tmp/storage.mjs', ...lab.hosts.map(({ plan }) => plan.address)],
    { timeoutMs: 120_000 },
  );
  const { odd, detachedEarly, ...result } = resultSchema.parse(JSON.parse(stdout));
  const [one, two, three] = lab.hosts.map(({ plan }) => plan.address);
  const added = [`${one} more`, `${two} more`, `${three} more`];
  assert.match(odd, 'gluster.refused: Gluster refused: ');
  assert.match(detachedEarly, 'gluster.peer-has-bricks');
  assert.equal(result, {
    added: ['done', 'done'],
    afterAdd: [`${one} spare`, `${two} spare`, `${three} spare`, ...added],
    replaced: ['done', 'done'],
    reset: 'done',
    finished: 'done',
    healed: ['done', 'done'],
    afterAll: [`${one} spare`, `${two} spare`, `${three} fresh`, ...added],
    deleted: ['done', 'done'],
    detached: ['done', 'done'],
    peers: [two],
  });
});

test.run();
