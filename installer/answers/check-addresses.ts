import type { HostAnswer } from '../contract/answers.ts';
import { error, type Problem } from '../contract/problems.ts';
import { addressOf, isHostAddress, isInside, isSpecial, overlap, prefixOf, subnetOf } from '../net/ipv4.ts';
import { storageAddresses } from '../plan/addresses.ts';
import type { Sections } from './check.ts';

type Use = { path: string; address: string; whose: string };

/** Subnets, and who has which address. Addresses that only DHCP knows are checked later, on the hosts (judge.ts). */
export function checkAddresses(sections: Sections): Problem[] {
  const { engine, networks } = sections;
  const hosts = (sections.hosts ?? []).flatMap((host, index) =>
    host === undefined ? [] : [{ host, index }],
  );
  const storage = networks?.storage;
  const uses: Use[] = [];
  const problems: Problem[] = [];

  if (engine !== undefined) {
    uses.push({ path: 'engine.address', address: addressOf(engine.address), whose: 'the engine' });
    problems.push(...inSubnet('engine.address', addressOf(engine.address), engine.address, 'its'));
    if (engine.gateway !== undefined) {
      problems.push(...inSubnet('engine.gateway', engine.gateway, engine.address, "the engine's"));
      uses.push({ path: 'engine.gateway', address: engine.gateway, whose: 'the gateway' });
    }
  }
  for (const { host, index } of hosts) problems.push(...managementOf(host, index, uses, engine?.address));
  if (hosts.some(({ host }) => host.name === engine?.hostName))
    problems.push(
      error(
        'engine.hostName',
        'engine.same-name',
        `A host is called ${engine?.hostName} too.`,
        'Give the engine another name.',
      ),
    );

  if (storage === undefined) problems.push(...withoutStorageNetwork(hosts));
  else {
    const assigned = storageAddresses(
      hosts.map(({ host }) => host),
      storage.cidr,
    );
    for (const [at, { host, index }] of hosts.entries()) {
      const path = `hosts[${index}].storage.address`;
      const address = assigned[at];
      if (address === undefined)
        problems.push(
          error(
            path,
            'storage.no-room',
            `The storage network ${subnetOf(storage.cidr)} has no address left for ${host.name}.`,
            'Take a larger subnet, or name the addresses.',
          ),
        );
      else {
        problems.push(...inSubnet(path, address, storage.cidr, 'the storage'));
        uses.push({ path, address, whose: `${host.name} on the storage network` });
      }
    }
    const other = engine?.address;
    if (other !== undefined && overlap(storage.cidr, other))
      problems.push(
        error(
          'networks.storage.cidr',
          'networks.overlap',
          `The storage network ${subnetOf(storage.cidr)} and the management network ${subnetOf(other)} overlap.`,
          'Take a subnet for storage that is used nowhere else.',
        ),
      );
    if (storage.nic !== undefined && sameCard(storage, networks?.management))
      problems.push(
        error(
          'networks.storage.nic',
          'networks.same-nic',
          `Both networks are on ${storage.nic}.`,
          'Take another card, give one of them a VLAN, or leave out "storage" to share one network.',
        ),
      );
  }
  return [...problems, ...doubleUses(uses)];
}

const sameCard = (
  storage: { nic?: string | undefined; vlan?: number | undefined },
  management: { nic?: string | undefined; vlan?: number | undefined } | undefined,
): boolean => storage.nic === management?.nic && storage.vlan === management?.vlan;

function managementOf(
  host: HostAnswer,
  index: number,
  uses: Use[],
  engineAddress: string | undefined,
): Problem[] {
  const { addressing } = host.management;
  if (addressing.kind !== 'static') return [];
  const path = `hosts[${index}].management.addressing`;
  const problems = inSubnet(`${path}.address`, addressOf(addressing.address), addressing.address, 'its');
  uses.push({ path: `${path}.address`, address: addressOf(addressing.address), whose: host.name });
  if (addressing.gateway !== undefined)
    problems.push(...inSubnet(`${path}.gateway`, addressing.gateway, addressing.address, "this host's"));
  if (engineAddress !== undefined && subnetOf(engineAddress) !== subnetOf(addressing.address))
    problems.push(
      error(
        `${path}.address`,
        'networks.other-subnet',
        `${host.name} (${addressing.address}) and the engine (${engineAddress}) are not in the same subnet.`,
        'All hosts and the engine share one management network.',
      ),
    );
  return problems;
}

function withoutStorageNetwork(hosts: readonly { host: HostAnswer; index: number }[]): Problem[] {
  if (hosts.length < 2) return [];
  return hosts.flatMap(({ host, index }) =>
    host.management.addressing.kind === 'static'
      ? []
      : [
          error(
            `hosts[${index}].management.addressing`,
            'networks.storage-needs-fixed',
            `Storage shares the management network, where ${host.name} has an address that may change.`,
            'Give the host a static address, or name a storage network.',
          ),
        ],
  );
}

function inSubnet(path: string, address: string, cidr: string, whose: string): Problem[] {
  if (isSpecial(address))
    return [
      error(
        path,
        'address.special',
        `${address} is no address that a machine can have.`,
        'Take another one.',
      ),
    ];
  if (!isInside(address, cidr))
    return [
      error(
        path,
        'address.outside',
        `${address} is not in ${whose} subnet ${subnetOf(cidr)}.`,
        'Correct the address or the prefix length.',
      ),
    ];
  if (!isHostAddress(address, cidr))
    return [
      error(
        path,
        'address.reserved',
        `${address} is the first or the last address of ${subnetOf(cidr)}, which no machine can have.`,
        'Take another one.',
      ),
    ];
  return prefixOf(cidr) < 8
    ? [
        error(
          path,
          'address.prefix',
          `A subnet of /${prefixOf(cidr)} is not usable.`,
          'Correct the prefix length.',
        ),
      ]
    : [];
}

const taken = (path: string, address: string, whose: string): Problem =>
  error(
    path,
    'address.taken',
    `${address} is already the address of ${whose}.`,
    'Give each one its own address.',
  );

function doubleUses(uses: readonly Use[]): Problem[] {
  return uses.flatMap((use, index) => {
    const first = uses.slice(0, index).find((other) => other.address === use.address);
    return first === undefined ? [] : [taken(use.path, use.address, first.whose)];
  });
}
