import type { HostAnswer } from '../contract/answers.ts';
import { error, type Problem, warning } from '../contract/problems.ts';

type Hosts = readonly (HostAnswer | undefined)[];

export const isThis = (host: HostAnswer): boolean => host.find === 'this';

const foundBy = (host: HostAnswer): string | undefined =>
  host.find === 'this' ? undefined : 'id' in host.find ? host.find.id : host.find.address;

/** A value that two hosts share, told at the later one. */
function doubles(
  hosts: Hosts,
  keyOf: (host: HostAnswer) => string | undefined,
  problem: (index: number, first: HostAnswer, value: string) => Problem,
): Problem[] {
  const seen = new Map<string, HostAnswer>();
  return hosts.flatMap((host, index) => {
    const value = host === undefined ? undefined : keyOf(host);
    if (host === undefined || value === undefined) return [];
    const first = seen.get(value);
    if (first === undefined) seen.set(value, host);
    return first === undefined ? [] : [problem(index, first, value)];
  });
}

export function checkHosts(hosts: Hosts): Problem[] {
  return [
    ...checkFirst(hosts),
    ...doubles(
      hosts,
      (host) => host.name,
      (index, _, name) =>
        error(
          `hosts[${index}].name`,
          'hosts.same-name',
          `Two hosts are called ${name}.`,
          'Give each host a name of its own.',
        ),
    ),
    ...doubles(hosts, foundBy, (index, first, value) =>
      error(
        `hosts[${index}].find`,
        'hosts.same-host',
        `${value} is already ${first.name}.`,
        'Name each host once.',
      ),
    ),
    ...doubles(
      hosts,
      (host) => host.pairingCode,
      (index, first) =>
        error(
          `hosts[${index}].pairingCode`,
          'hosts.same-code',
          `This is the pairing code of ${first.name} already.`,
          'Read the code on the console of this host.',
        ),
    ),
    ...hosts.flatMap((host, index) => (host === undefined ? [] : checkHost(host, index))),
    ...(hosts.every((host) => host !== undefined) ? checkSizes(hosts) : []),
  ];
}

function checkFirst(hosts: Hosts): Problem[] {
  if (hosts.length === 0 || hosts.includes(undefined)) return [];
  const firsts = hosts.filter((host) => host !== undefined && isThis(host));
  if (firsts.length === 1) return [];
  return [
    error(
      'hosts',
      'hosts.no-first',
      firsts.length === 0
        ? 'None of the hosts is the one that the installer runs on.'
        : `${firsts.length} hosts claim to be the one that the installer runs on.`,
      'Say "find": "this" at exactly one host.',
    ),
  ];
}

function checkHost(host: HostAnswer, index: number): Problem[] {
  const path = `hosts[${index}]`;
  const problems: Problem[] = [];
  if (isThis(host) && host.pairingCode !== undefined)
    problems.push(
      error(
        `${path}.pairingCode`,
        'hosts.needless-code',
        'The first host needs no pairing code: the installer runs on it.',
        'Remove the code.',
      ),
    );
  if (!isThis(host) && host.pairingCode === undefined)
    problems.push(
      error(
        `${path}.pairingCode`,
        'hosts.no-code',
        `${host.name} has no pairing code.`,
        `Read it on the console of ${host.name}: eight letters and digits.`,
      ),
    );
  if (isThis(host) && host.role === 'arbiter')
    problems.push(
      error(
        `${path}.role`,
        'hosts.first-is-arbiter',
        'The first host runs the engine and cannot be the witness.',
        'Run the installer on a full host.',
      ),
    );
  if (host.eraseData && !Array.isArray(host.disks))
    problems.push(
      error(
        `${path}.eraseData`,
        'hosts.erase-what',
        'Data may be erased, but no disk is named.',
        'Name the disks by their serial numbers.',
      ),
    );
  if (Array.isArray(host.disks)) {
    const serials = host.disks.map((disk) => disk.serial);
    const twice = serials.find((serial, at) => serials.indexOf(serial) !== at);
    if (twice !== undefined)
      problems.push(
        error(`${path}.disks`, 'hosts.same-disk', `The disk ${twice} is named twice.`, 'Name it once.'),
      );
  }
  return problems;
}

/** How many bricks a host brings. */
export const brickCount = (host: HostAnswer): number => (Array.isArray(host.disks) ? host.disks.length : 1);

function checkSizes(hosts: readonly HostAnswer[]): Problem[] {
  const full = hosts.filter((host) => host.role === 'full');
  const arbiters = hosts.length - full.length;
  const problems: Problem[] = [];
  if (arbiters > 0 && (full.length !== 2 || arbiters !== 1))
    problems.push(
      error(
        'hosts',
        'hosts.arbiter-count',
        `There are ${full.length} full hosts and ${arbiters} witnesses; a witness belongs beside exactly two full hosts.`,
        'Make every host full, or have two full hosts and one witness.',
      ),
    );
  else if (full.length === 2 && arbiters === 0)
    problems.push(
      error(
        'hosts',
        'hosts.two-without-witness',
        'Two hosts alone cannot tell a lost host from a lost cable, so either loss would stop everything or risk the data.',
        'Add a third host, or a small witness with "role": "arbiter"; or begin with one host.',
      ),
    );
  const counts = new Set(full.map(brickCount));
  if (counts.size > 1)
    problems.push(
      error(
        'hosts',
        'hosts.uneven-disks',
        `The hosts bring different numbers of disks (${[...counts].sort((a, b) => a - b).join(', ')}), but each disk is mirrored by one of each other host.`,
        'Name the same number of disks on each host.',
      ),
    );
  const without = full.length > 3 ? full.length % 3 : 0;
  if (without > 0)
    problems.push(
      warning(
        'hosts',
        'hosts.without-copies',
        `Data is kept on ${full.length - without} of the ${full.length} hosts, three copies of each piece; the last ${without} only run VMs.`,
        'Nothing needs to be done; 3, 6, 9 or 12 hosts would use all disks.',
      ),
    );
  return problems;
}
