import { existsSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { run } from '../../node/command/run.ts';
import { makeCgroup } from './cgroup.ts';
import { type Cut, cutRules } from './nft.ts';
import { engineAddress, gateway, type HostPlan, type LabPlan, networks } from './plan.ts';
import { startRecorded } from './process.ts';

const ip = (...args: string[]) => run(['ip', ...args], { timeoutMs: 20_000 });
export const netnsExists = (name: string): boolean => existsSync(`/run/netns/${name}`);

async function addNetns(name: string): Promise<void> {
  await ip('netns', 'add', name);
  await ip('-n', name, 'link', 'set', 'lo', 'up');
}

/** Deleting a port's link takes its other end with it at once; deleting only the namespace would do it some time later. */
export async function deleteNetns(name: string): Promise<void> {
  if (netnsExists(name)) await ip('netns', 'delete', name);
}

/** Two bridges in a namespace that nothing outside is connected to. */
export async function makeNetworks(plan: LabPlan): Promise<void> {
  await addNetns(plan.netns);
  for (const network of networks) {
    await ip(
      '-n',
      plan.netns,
      'link',
      'add',
      network,
      'type',
      'bridge',
      'forward_delay',
      '0',
      'mcast_snooping',
      '0',
    );
    await ip('-n', plan.netns, 'link', 'set', network, 'up');
  }
  await ip('-n', plan.netns, 'address', 'add', `${gateway}/24`, 'dev', 'mgmt');
  await startDhcp(plan);
}

/** Fixed addresses for the hosts, others for whatever VM asks on the same network. No name server beyond. */
export function dhcpConfig(plan: LabPlan): string {
  const subnet = gateway.replace(/\.\d+$/, '');
  return [
    'interface=mgmt',
    'bind-interfaces',
    'no-resolv',
    'no-hosts',
    'dhcp-authoritative',
    'no-ping',
    'leasefile-ro',
    'domain=lab.test',
    `dhcp-range=${subnet}.150,${subnet}.199,255.255.255.0,12h`,
    `dhcp-option=option:router,${gateway}`,
    `dhcp-option=option:dns-server,${gateway}`,
    ...plan.hosts.map((host) => `dhcp-host=${host.mac.mgmt},${host.address},infinite`),
    ...plan.hosts.map((host) => `address=/${host.name}.lab.test/${host.address}`),
    `address=/engine.lab.test/${engineAddress}`,
    '',
  ].join('\n');
}

async function startDhcp(plan: LabPlan): Promise<void> {
  const config = join(plan.folder, 'dnsmasq.conf');
  await writeFile(config, dhcpConfig(plan));
  await startRecorded(
    plan.runFolder,
    'dnsmasq',
    [
      'ip',
      'netns',
      'exec',
      plan.netns,
      'dnsmasq',
      '--keep-in-foreground',
      '--user=root',
      `--conf-file=${config}`,
      '--pid-file=',
    ],
    { cgroups: await makeCgroup(`${plan.prefix}/services`), output: join(plan.folder, 'dnsmasq.log') },
  );
}

/** The host's namespace with both cards plugged in; made anew at each power on, as a machine's network stack is. */
export async function plugIn(plan: LabPlan, host: HostPlan): Promise<void> {
  await addNetns(host.machine);
  for (const network of networks) {
    const port = host.port[network];
    await ip(
      ...['-n', plan.netns, 'link', 'add', port, 'type', 'veth', 'peer'],
      ...['name', `${network}0`, 'address', host.mac[network], 'netns', host.machine],
    );
    await ip('-n', plan.netns, 'link', 'set', port, 'master', network, 'up');
  }
}

export async function setLinks(plan: LabPlan, host: HostPlan, state: 'up' | 'down'): Promise<void> {
  const ports = networks.map((network) => host.port[network]);
  const batch = ports.map((port) => `link set ${port} ${state}\n`).join('');
  await run(['ip', '-n', plan.netns, '-batch', '-'], { input: batch, timeoutMs: 20_000 });
}

export async function unplug(plan: LabPlan, host: HostPlan): Promise<void> {
  for (const network of networks)
    await run(['ip', '-n', plan.netns, 'link', 'delete', host.port[network]], { okExitCodes: [1] });
  await deleteNetns(host.machine);
}

/** A host that is off has no port; its cuts come back with it. */
export async function applyCuts(plan: LabPlan, cuts: readonly Cut[]): Promise<void> {
  const { stdout } = await ip('-n', plan.netns, '-brief', 'link');
  const ports = new Set(stdout.split('\n').map((line) => line.split(/[@ ]/)[0]));
  await run(['ip', 'netns', 'exec', plan.netns, 'nft', '-f', '-'], {
    input: cutRules(cuts.filter((cut) => ports.has(cut.port))),
    timeoutMs: 20_000,
  });
}
