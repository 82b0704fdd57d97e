import { nthAddress, rangeOf } from '../net/ipv4.ts';

const firstOffset = 11;

/**
 * The hosts' addresses on the storage network: those that were asked for, the others from .11 on in order, past what is
 * taken. undefined where the subnet has no room left.
 */
export function storageAddresses(
  hosts: readonly { storage: { address?: string | undefined } }[],
  cidr: string,
): (string | undefined)[] {
  const taken = new Set(hosts.flatMap((host) => host.storage.address ?? []));
  const { first, last } = rangeOf(cidr);
  let offset = firstOffset;
  return hosts.map((host) => {
    if (host.storage.address !== undefined) return host.storage.address;
    for (; first + offset < last; offset += 1) {
      const address = nthAddress(cidr, offset);
      if (address === undefined || taken.has(address)) continue;
      offset += 1;
      return address;
    }
    return undefined;
  });
}
