import { createHash } from 'node:crypto';
import { bridgeNameOf, type HostNetwork } from '../contract/network.ts';

/**
 * networkd's files for what is wanted, by name; pure. All begin with `50-trefoil-`, so that they come before the file
 * that the host's system ships for cards that nobody told anything about (80-trefoil-ethernet.network: DHCP), and so
 * that we know ours. A card, its VLANs and their bridges, from the bottom up:
 *
 *   eno1 ----------------- Bridge=br-mgmt ---> br-mgmt   (address of `mgmt`; VMs attach here)
 *     \-- VLAN=eno1.30 --> eno1.30 ----------> br-guests (address of `guests`)
 *
 * A bridge keeps its card's MAC, and DHCP asks by MAC: the address that the card had moves to the bridge unchanged.
 */
export type NetworkFiles = { files: Record<string, string>; devices: string[] };

const prefix = '50-trefoil-';
export const isOurs = (file: string): boolean => file.startsWith(prefix);

/** A link's name has at most 15 bytes; a long card's name becomes a hash. */
export function vlanNameOf(nic: string, vlan: number): string {
  const plain = `${nic}.${vlan}`;
  if (plain.length <= 15) return plain;
  return `v${vlan}-${createHash('sha256').update(nic).digest('hex').slice(0, 8)}`;
}

/** The device that has the network's address. */
export function deviceOf(network: HostNetwork): string {
  if (network.bridge) return bridgeNameOf(network.name);
  return network.vlan === undefined ? network.nic : vlanNameOf(network.nic, network.vlan);
}

export function networkFiles(
  networks: readonly HostNetwork[],
  macs: Readonly<Record<string, string>>,
): NetworkFiles {
  const files: Record<string, string> = {};
  const devices: string[] = [];
  const add = (name: string, kind: 'network' | 'netdev', ...sections: Section[]) => {
    files[`${prefix}${name}.${kind}`] = render(sections);
  };

  for (const nic of [...new Set(networks.map((network) => network.nic))].sort()) {
    const here = networks.filter((network) => network.nic === nic);
    const plain = here.find(({ vlan }) => vlan === undefined);
    const vlans = here
      .filter(({ vlan }) => vlan !== undefined)
      .map(({ vlan }) => vlanNameOf(nic, vlan ?? 0))
      .sort();
    add(
      nic,
      'network',
      match(nic),
      link(Math.max(...here.map(({ mtu }) => mtu))),
      network([...lowerLines(plain), ...vlans.map((name) => `VLAN=${name}`)]),
      ...(plain !== undefined && !plain.bridge ? addressSections(plain) : []),
    );
  }

  for (const one of [...networks].sort((a, b) => a.name.localeCompare(b.name))) {
    if (one.vlan !== undefined) {
      const name = vlanNameOf(one.nic, one.vlan);
      devices.push(name);
      add(name, 'netdev', netdev(name, 'vlan', one.mtu), ['VLAN', `Id=${one.vlan}`]);
      add(
        name,
        'network',
        match(name),
        link(one.mtu),
        network(lowerLines(one)),
        ...(one.bridge ? [] : addressSections(one)),
      );
    }
    if (one.bridge) {
      const name = bridgeNameOf(one.name);
      devices.push(name);
      add(name, 'netdev', netdev(name, 'bridge', one.mtu, macs[one.nic]), [
        'Bridge',
        'STP=no',
        'ForwardDelaySec=0',
      ]);
      add(name, 'network', match(name), link(one.mtu), network(addressLines(one)), ...addressSections(one));
    }
  }
  return { files, devices };
}

type Section = readonly [title: string, ...lines: string[]];

const render = (sections: readonly Section[]): string =>
  `# Written by trefoil-node; changes are overwritten.\n${sections
    .map(([title, ...lines]) => `\n[${title}]\n${lines.map((line) => `${line}\n`).join('')}`)
    .join('')}`;

const match = (name: string): Section => ['Match', `Name=${name}`];
const link = (mtu: number): Section => ['Link', `MTUBytes=${mtu}`, 'RequiredForOnline=no'];
const network = (lines: string[]): Section => ['Network', ...lines];
const netdev = (name: string, kind: string, mtu: number, mac?: string): Section => [
  'NetDev',
  `Name=${name}`,
  `Kind=${kind}`,
  `MTUBytes=${mtu}`,
  ...(mac === undefined ? [] : [`MACAddress=${mac}`]),
];

/** A card or VLAN below a bridge, with an address of its own, or there for its VLANs alone. */
function lowerLines(of: HostNetwork | undefined): string[] {
  if (of === undefined) return ['DHCP=no', 'LinkLocalAddressing=ipv6', 'IPv6AcceptRA=no'];
  if (of.bridge) return [`Bridge=${bridgeNameOf(of.name)}`, 'LinkLocalAddressing=no', 'IPv6AcceptRA=no'];
  return addressLines(of);
}

function addressLines({ addressing, bridge }: HostNetwork): string[] {
  const always = ['LinkLocalAddressing=ipv6', 'LLMNR=no', 'MulticastDNS=no'];
  // A bridge has its address also while its card has no cable: VMs on this host still reach each other and it.
  const carrier = bridge ? ['ConfigureWithoutCarrier=yes', 'IgnoreCarrierLoss=yes'] : [];
  if (addressing.kind === 'dhcp') return ['DHCP=ipv4', 'IPv6AcceptRA=yes', ...always];
  return [
    'DHCP=no',
    'IPv6AcceptRA=no',
    `Address=${addressing.address}`,
    ...(addressing.gateway === undefined ? [] : [`Gateway=${addressing.gateway}`]),
    ...addressing.dns.map((server) => `DNS=${server}`),
    ...always,
    ...carrier,
  ];
}

const addressSections = ({ addressing }: HostNetwork): Section[] =>
  addressing.kind === 'dhcp'
    ? [['DHCPv4', 'ClientIdentifier=mac', 'UseHostname=no', 'UseMTU=no', 'SendHostname=no']]
    : [];
