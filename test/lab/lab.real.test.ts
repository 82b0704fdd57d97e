import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as assert from 'uvu/assert';
import { buildHostTree } from '../../image/host/build.ts';
import { eventually } from '../support/eventually.ts';
import { suite } from '../support/suite.ts';
import { openLab } from './lab.ts';
import { remains } from './sweep.ts';

const test = suite('lab: two bare hosts', { deadlineMs: 60_000 });
const lab = await openLab({ prefix: 'tfreal', hosts: 2 });
const [host1, host2] = [lab.host('host1'), lab.host('host2')];
let tree = '';

test.before(async () => {
  ({ tree } = await buildHostTree());
  await lab.start({ tree });
  await Promise.all(lab.hosts.map((host) => host.waitBooted()));
});
test.after(async () => {
  await lab.stop();
});

const node = (script: string) => ['/usr/lib/trefoil/node', '-e', script];
const ping = async (): Promise<boolean> =>
  (await host1.exec(['ping', '-c1', '-W1', host2.plan.address], { okExitCodes: [1] })).exitCode === 0;

/** Whether a datagram gets from one to the other; the way back is not needed. */
async function arrives(from: typeof host1, to: typeof host1): Promise<boolean> {
  const listen = `const s=require('node:dgram').createSocket('udp4');s.on('message',()=>{process.stdout.write('got');process.exit()});
    s.bind(9999,()=>require('node:fs').writeFileSync('/run/listening',''));setTimeout(()=>process.exit(),3000)`;
  await to.exec(['rm', '-f', '/run/listening']);
  const heard = to.exec(node(listen));
  await eventually('the listener', async () => {
    const there = await to.exec(['test', '-e', '/run/listening'], { okExitCodes: [1] });
    return there.exitCode === 0;
  });
  await from.exec(['bash', '-c', `echo hello > /dev/udp/${to.plan.address}/9999`]);
  return (await heard).stdout === 'got';
}

test('every unit started', async () => {
  for (const host of lab.hosts) {
    const failed = await host.exec(['systemctl', '--failed', '--plain', '--no-legend']);
    assert.is(failed.stdout, '', `${host.plan.name}: ${failed.stdout}`);
    assert.match(await host.console(), /Reached target.*Multi-User/);
  }
});

test('hosts have their addresses, their disk and nobody else’s', async () => {
  for (const host of lab.hosts) {
    await eventually(`${host.plan.name} to have its address`, async () => {
      const { stdout } = await host.exec(['ip', '-brief', '-4', 'address', 'show', 'mgmt0']);
      return stdout.includes(`${host.plan.address}/24`);
    });
    const nodes = await host.exec(['sh', '-c', 'ls /dev/loop*']);
    const [device] = (await host.exec(['cat', '/etc/trefoil/disks-allow-loop'])).stdout.split(' ');
    assert.is(nodes.stdout, `/dev/${device}\n`);
  }
  assert.ok(await ping());
});

test('nothing leads out', async () => {
  const { stdout } = await host1.exec(['ip', 'route', 'get', '192.0.2.1']);
  assert.match(stdout, /via 10\.77\.0\.1 /);
  const answer = await host1.exec(['ping', '-c1', '-W1', '192.0.2.1'], { okExitCodes: [1] });
  assert.is(answer.exitCode, 1);
});

/** With one direction cut nobody answers "who has this address?": what is tested is the way of a datagram alone. */
async function knowEachOther(): Promise<void> {
  for (const [one, other] of [
    [host1, host2],
    [host2, host1],
  ] as const) {
    const mac = (await other.exec(['cat', '/sys/class/net/mgmt0/address'])).stdout.trim();
    const neighbour = [other.plan.address, 'lladdr', mac, 'dev', 'mgmt0', 'nud', 'permanent'];
    await one.exec(['ip', 'neighbour', 'replace', ...neighbour]);
  }
}

test('networks are cut and mended per direction', async () => {
  await knowEachOther();
  await host2.netDown('mgmt', 'in');
  assert.not.ok(await arrives(host1, host2), 'in is cut');
  await eventually('out is open', () => arrives(host2, host1), { deadlineMs: 20_000 });
  await host2.netDown('mgmt', 'out');
  assert.not.ok(await arrives(host2, host1), 'both are cut');
  await host2.netUp('mgmt', 'in');
  await eventually('in is open again', () => arrives(host1, host2), { deadlineMs: 20_000 });
  assert.not.ok(await arrives(host2, host1), 'out is still cut');
  await host2.netUp('mgmt');
  await eventually('an answer', ping, { deadlineMs: 20_000 });
});

test('a frozen host does nothing, and goes on afterwards', async () => {
  const script = 'while sleep 0.02; do i=$((i+1)); echo $i > /var/lib/count; done';
  await host2.exec(['systemd-run', '--unit=count', 'sh', '-c', script]);
  const count = () => readFile(join(host2.plan.folder, 'root/var/lib/count'), 'utf8').catch(() => '');
  const moves = async (deadlineMs: number) => {
    const before = await count();
    return eventually('the counter to move', async () => (await count()) !== before, { deadlineMs }).then(
      () => true,
      () => false,
    );
  };
  assert.ok(await moves(5_000));
  await host2.freeze();
  assert.is(await host2.state(), 'frozen');
  assert.not.ok(await moves(500), 'it counts while frozen');
  await host2.thaw();
  assert.ok(await moves(5_000));
});

test('power off tells nobody; power on brings the same host', async () => {
  const id = (await host2.exec(['cat', '/etc/machine-id'])).stdout;
  await host2.write('/var/lib/kept', 'kept');
  await host2.exec([
    'systemd-run',
    '--unit=hold',
    ...node(`require('node:net').createServer(s=>s.resume()).listen(7000)`),
  ]);
  await host1.exec([
    'systemd-run',
    '--unit=talk',
    ...node(
      `setTimeout(()=>{},1e6);const c=()=>require('node:net').connect(7000,'${host2.plan.address}').on('error',()=>setTimeout(c,50));c()`,
    ),
  ]);
  const established = async () =>
    (await host1.exec(['ss', '-Htn', 'state', 'established', `dst ${host2.plan.address}`])).stdout.trim() !==
    '';
  await eventually('a connection', established);
  await host2.powerOff();
  assert.is(await host2.state(), 'off');
  await host2.powerOn();
  await host2.waitBooted();
  assert.ok(await established(), 'host1 learnt of it');
  assert.is((await host2.exec(['cat', '/etc/machine-id'])).stdout, id);
  assert.is((await host2.exec(['cat', '/var/lib/kept'])).stdout, 'kept');
  assert.is((await host2.exec(['systemctl', '--failed', '--plain', '--no-legend'])).stdout, '');
});

test('a host can reboot itself', async () => {
  const bootId = async () => (await host1.exec(['cat', '/proc/sys/kernel/random/boot_id'])).stdout;
  const before = await bootId();
  await host1.exec(['systemctl', 'reboot']);
  await eventually('another boot', async () => (await bootId()) !== before, {
    deadlineMs: 30_000,
    everyMs: 200,
  });
  await host1.waitBooted();
});

test('another clone with the same prefix is refused and told where the first is', async () => {
  const root = await mkdtemp(join(tmpdir(), 'trefoil-lab-'));
  try {
    const other = await openLab({ prefix: 'tfreal', hosts: 1, root });
    const refused = await other.start({ tree }).then(
      () => '',
      (error: Error) => error.message,
    );
    assert.match(refused, `in use by ${lab.plan.folder}`);
    assert.is(await host1.state(), 'on');
  } finally {
    await rm(root, { recursive: true, force: true });
  }
});

test('stop leaves nothing, even when the lab’s records are lost', async () => {
  assert.ok((await remains(lab.plan)).length > 0);
  await rm(lab.plan.runFolder, { recursive: true });
  await rm(join(lab.plan.folder, 'state.json'));
  await lab.stop();
  assert.equal(await remains(lab.plan), []);
});

test.run();
