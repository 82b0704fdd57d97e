import type { HostInfo } from '../../node/contract/host.ts';
import type { HostNic } from '../../node/contract/network.ts';
import type { Answers, HostAnswer } from '../contract/answers.ts';
import { error, type Problem } from '../contract/problems.ts';
import { addressOf, isInside } from '../net/ipv4.ts';

export type Nics = { management: HostNic | undefined; storage: HostNic | undefined };

const isIpv4 = (cidr: string): boolean => !cidr.includes(':');

/** This NIC's IPv4 address in the engine's subnet: the one that makes it the management network's. */
export const managementAddress = (nic: HostNic, engineAddress: string): string | undefined =>
  nic.addresses.find((cidr) => isIpv4(cidr) && isInside(addressOf(cidr), engineAddress));

/** Which card is which network's on one host; what cannot be decided is told. `storage` stays empty without such a network. */
export function chooseNics(
  answers: Pick<Answers, 'networks' | 'engine'>,
  host: HostAnswer,
  info: Pick<HostInfo, 'nics'>,
): { nics: Nics; problems: Problem[] } {
  const problems: Problem[] = [];
  const has = info.nics.map((nic) => nic.name).join(', ');
  const named = (name: string, path: string): HostNic | undefined => {
    const nic = info.nics.find((each) => each.name === name);
    if (nic === undefined)
      problems.push(
        error(
          `hosts.${host.name}`,
          'nic.missing',
          `${host.name} has no network card called ${name}.`,
          `Name one of its cards (${has}) at ${path}.`,
        ),
      );
    else if (!nic.linkUp)
      problems.push(
        error(
          `hosts.${host.name}`,
          'nic.no-link',
          `The network card ${name} of ${host.name} has no link.`,
          'Plug in its cable, or name another card.',
        ),
      );
    return nic;
  };

  const managementName = host.management.nic ?? answers.networks.management.nic;
  const management =
    managementName === undefined
      ? info.nics.find((nic) => managementAddress(nic, answers.engine.address) !== undefined)
      : named(managementName, 'management.nic');
  if (management === undefined && managementName === undefined)
    problems.push(
      error(
        `hosts.${host.name}`,
        'nic.no-management',
        `No network card of ${host.name} has an address in the engine's subnet ${answers.engine.address}.`,
        `Name the card (${has}) at management.nic, or correct the engine's address.`,
      ),
    );

  const { storage: network } = answers.networks;
  if (network === undefined) return { nics: { management, storage: undefined }, problems };
  const storageName = host.storage.nic ?? network.nic;
  if (storageName !== undefined)
    return { nics: { management, storage: named(storageName, 'storage.nic') }, problems };
  const others = info.nics.filter((nic) => nic.linkUp && nic.name !== management?.name);
  if (others.length !== 1 && management !== undefined)
    problems.push(
      error(
        `hosts.${host.name}`,
        'nic.which-storage',
        others.length === 0
          ? `${host.name} has no second network card with a link for storage.`
          : `${host.name} has several cards that could be the storage network's: ${others.map((nic) => nic.name).join(', ')}.`,
        'Name the card at networks.storage.nic, or leave out "storage" to share one network.',
      ),
    );
  return { nics: { management, storage: others.length === 1 ? others[0] : undefined }, problems };
}
