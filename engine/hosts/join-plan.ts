import { AppError } from '../../node/contract/error.ts';
import type { HostNetwork, HostNic } from '../../node/contract/network.ts';

/** What a new member's networks are to be, made after the pattern of a host that is one already. Pure. */
export type NewMember = {
  name: string;
  /** where it was found: its management address */
  address: string;
  storageAddress: string;
  nics: readonly HostNic[];
};

const refuse = (code: string, message: string, remedy: string): AppError =>
  new AppError({ code, family: 'conflict', message, remedy });

const split = (address: string): { head: string; last: number } => {
  const at = address.lastIndexOf('.');
  return { head: address.slice(0, at), last: Number(address.slice(at + 1)) };
};

/**
 * A free address beside those of the other hosts on the storage network; the same last number as on the management
 * network when nobody has it.
 */
export function freeStorageAddress(managementAddress: string, taken: readonly string[]): string {
  const [first] = taken;
  if (first === undefined)
    throw refuse(
      'host.no-pattern',
      'No host of the cluster has a storage address.',
      'Form the cluster first.',
    );
  const { head } = split(first);
  const candidates = [
    split(managementAddress).last,
    ...Array.from({ length: 243 }, (_, index) => index + 11),
  ];
  for (const last of candidates) {
    const address = `${head}.${last}`;
    if (last > 0 && last < 255 && !taken.includes(address)) return address;
  }
  throw refuse(
    'host.no-storage-address',
    'The storage network has no free address left.',
    'Use a larger storage network.',
  );
}

export function networksFor(member: NewMember, pattern: readonly HostNetwork[]): HostNetwork[] {
  return pattern.map((network) => {
    const nic = member.nics.find((each) => each.name === network.nic);
    if (nic === undefined)
      throw refuse(
        'host.no-nic',
        `${member.name} has no network card called ${network.nic}, which the network ${network.name} needs.`,
        'Use a host with the same network cards as the others.',
      );
    return { ...network, addressing: addressingFor(member, network, nic) };
  });
}

function addressingFor(member: NewMember, network: HostNetwork, nic: HostNic): HostNetwork['addressing'] {
  if (network.addressing.kind === 'dhcp') return network.addressing;
  const prefix = network.addressing.address.split('/')[1] ?? '24';
  const own = nic.addresses.find((each) => each.split('/')[0] === member.address);
  // Its management address stays the one at which it was found; the other network with addresses is the storage network.
  return { ...network.addressing, address: own ?? `${member.storageAddress}/${prefix}` };
}
