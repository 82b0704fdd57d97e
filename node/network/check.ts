import { AppError } from '../contract/error.ts';
import { bridgeNameOf, type HostNetwork } from '../contract/network.ts';
import { vlanNameOf } from './files.ts';

/** What is wrong with the wanted networks on this host, one plain sentence each; pure, before anything is changed. */
export function networkProblems(networks: readonly HostNetwork[], nics: readonly string[]): string[] {
  const problems: string[] = [];
  const twice = (what: string, of: (network: HostNetwork) => string | undefined) => {
    const seen = new Set<string>();
    for (const one of networks) {
      const key = of(one);
      if (key === undefined) continue;
      if (seen.has(key)) problems.push(`${what} ${key} is used by two networks.`);
      seen.add(key);
    }
  };
  twice('The name', ({ name }) => name);
  twice('The bridge', ({ name, bridge }) => (bridge ? bridgeNameOf(name) : undefined));
  twice('The card and VLAN', ({ nic, vlan }) => `${nic}${vlan === undefined ? '' : `, VLAN ${vlan}`}`);
  twice('The VLAN device', ({ nic, vlan }) => (vlan === undefined ? undefined : vlanNameOf(nic, vlan)));
  twice('The address', ({ addressing }) =>
    addressing.kind === 'static' ? addressing.address.split('/')[0] : undefined,
  );
  twice('A default gateway besides', ({ addressing }) =>
    addressing.kind === 'static' && addressing.gateway !== undefined ? 'the first one' : undefined,
  );
  for (const { name, nic, addressing, vlan, mtu } of networks) {
    if (!nics.includes(nic))
      problems.push(`The network ${name} wants the card ${nic}, which this host has not.`);
    if (addressing.kind === 'static') problems.push(...addressProblems(name, addressing));
    const below = networks.find((other) => other.nic === nic && other.vlan === undefined);
    if (vlan !== undefined && below !== undefined && mtu > below.mtu)
      problems.push(
        `The network ${name} wants larger frames (MTU ${mtu}) than the card's own network ${below.name}.`,
      );
  }
  return problems;
}

function addressProblems(
  name: string,
  { address, gateway }: { address: string; gateway?: string | undefined },
) {
  const problems: string[] = [];
  const [ip = '', length = '0'] = address.split('/');
  const mask = length === '0' ? 0 : (0xffffffff << (32 - Number(length))) >>> 0;
  const host = number(ip) & ~mask;
  if (Number(length) < 31 && (host === 0 || host >>> 0 === ~mask >>> 0))
    problems.push(
      `The address ${address} of the network ${name} is the network's own or its broadcast address.`,
    );
  if (gateway !== undefined && (number(gateway) & mask) >>> 0 !== (number(ip) & mask) >>> 0)
    problems.push(`The gateway ${gateway} of the network ${name} is not in ${address}.`);
  if (gateway === ip) problems.push(`The gateway of the network ${name} is the host's own address.`);
  return problems;
}

const number = (ip: string): number =>
  ip.split('.').reduce((value, part) => (value * 256 + Number(part)) >>> 0, 0);

export function refuseUnfit(networks: readonly HostNetwork[], nics: readonly string[]): void {
  const problems = networkProblems(networks, nics);
  if (problems.length > 0)
    throw new AppError({
      code: 'network.unfit',
      family: 'invalid',
      message: problems.join(' '),
      remedy: `This host has the cards ${[...nics].sort().join(', ')}.`,
      details: { problems },
    });
}
