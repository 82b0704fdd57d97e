/** IPv4 arithmetic on text that zod has already checked. */
export const addressOf = (cidr: string): string => cidr.split('/')[0] ?? cidr;
export const prefixOf = (cidr: string): number => Number(cidr.split('/')[1] ?? 32);

export const toNumber = (address: string): number =>
  address.split('.').reduce((sum, part) => sum * 256 + Number(part), 0);

export const toAddress = (value: number): string =>
  [24, 16, 8, 0].map((shift) => Math.floor(value / 2 ** shift) % 256).join('.');

const sizeOf = (prefix: number): number => 2 ** (32 - prefix);

/** First and last address of the subnet that `cidr` is in. */
export function rangeOf(cidr: string): { first: number; last: number } {
  const size = sizeOf(prefixOf(cidr));
  const first = Math.floor(toNumber(addressOf(cidr)) / size) * size;
  return { first, last: first + size - 1 };
}

/** `10.0.0.0/24` for `10.0.0.7/24` */
export const subnetOf = (cidr: string): string => `${toAddress(rangeOf(cidr).first)}/${prefixOf(cidr)}`;

export const isInside = (address: string, cidr: string): boolean => {
  const { first, last } = rangeOf(cidr);
  const value = toNumber(address);
  return value >= first && value <= last;
};

export const overlap = (one: string, other: string): boolean => {
  const a = rangeOf(one);
  const b = rangeOf(other);
  return a.first <= b.last && b.first <= a.last;
};

/** An address that a machine can have in this subnet: not the subnet's own, not its broadcast address. */
export const isHostAddress = (address: string, cidr: string): boolean => {
  if (!isInside(address, cidr)) return false;
  if (prefixOf(cidr) >= 31) return true;
  const { first, last } = rangeOf(cidr);
  const value = toNumber(address);
  return value !== first && value !== last;
};

const special = ['0.0.0.0/8', '127.0.0.0/8', '169.254.0.0/16', '224.0.0.0/3'];

/** Loopback, link-local, multicast and the like: no machine's address on a network of ours. */
export const isSpecial = (address: string): boolean => special.some((range) => isInside(address, range));

/** The address `offset` above the subnet's own; undefined when that is not a host's address. */
export function nthAddress(cidr: string, offset: number): string | undefined {
  const address = toAddress(rangeOf(cidr).first + offset);
  return isHostAddress(address, cidr) ? address : undefined;
}
