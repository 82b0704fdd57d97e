import { join, resolve } from 'node:path';

/**
 * What a lab consists of, by name. Nothing here touches the machine: two labs with different prefixes share no name.
 * Addresses are the same in every lab, since each lab's networks live in a namespace of their own.
 */
export const repoRoot = resolve(import.meta.dirname, '../..');

export type Network = 'mgmt' | 'stor';
export const networks: readonly Network[] = ['mgmt', 'stor'];

export const gateway = '10.77.0.1';
export const engineAddress = '10.77.0.100';

export type HostPlan = {
  name: string;
  number: number;
  /** name of the container and of its control group and network namespace */
  machine: string;
  address: string;
  /** given by formation, not by the lab */
  storageAddress: string;
  mac: Record<Network, string>;
  /** the name of its port on each bridge, inside the lab's network namespace */
  port: Record<Network, string>;
  diskSerial: string;
  /** its state on the outer disk */
  folder: string;
};

export type LabPlan = {
  prefix: string;
  /** all that the lab writes is below this folder */
  folder: string;
  /** records of running processes, sockets */
  runFolder: string;
  productFolder: string;
  netns: string;
  hosts: HostPlan[];
};

const prefixPattern = /^[a-z][a-z0-9]{0,7}$/;

export function planLab(
  options: { prefix?: string | undefined; hosts?: number | undefined; root?: string | undefined } = {},
): LabPlan {
  const prefix = options.prefix ?? 'tf';
  const count = options.hosts ?? 3;
  if (!prefixPattern.test(prefix))
    throw new Error(`the prefix "${prefix}" must be 1 to 8 small letters and digits, a letter first`);
  if (!Number.isInteger(count) || count < 1 || count > 5) throw new Error('a lab has 1 to 5 hosts');
  const folder = join(options.root ?? join(repoRoot, '.lab'), prefix);
  return {
    prefix,
    folder,
    runFolder: join(folder, 'run'),
    productFolder: join(folder, 'product'),
    netns: `${prefix}-net`,
    hosts: Array.from({ length: count }, (_, index) => planHost(prefix, folder, index + 1)),
  };
}

function planHost(prefix: string, folder: string, number: number): HostPlan {
  const name = `host${number}`;
  return {
    name,
    number,
    machine: `${prefix}-h${number}`,
    address: `10.77.0.${10 + number}`,
    storageAddress: `10.77.1.${10 + number}`,
    mac: { mgmt: `52:54:00:77:00:0${number}`, stor: `52:54:00:77:01:0${number}` },
    port: { mgmt: `h${number}mgmt`, stor: `h${number}stor` },
    diskSerial: `LAB-${prefix.toUpperCase()}-H${number}-DATA`,
    folder: join(folder, name),
  };
}
