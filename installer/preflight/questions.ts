import type { PreflightRequest } from '../../node/contract/host.ts';
import type { HostNic } from '../../node/contract/network.ts';
import type { Answers } from '../contract/answers.ts';
import { addressOf } from '../net/ipv4.ts';
import { storageAddresses } from '../plan/addresses.ts';
import { chooseNics } from '../plan/nics.ts';
import { networkNames } from '../plan/plan.ts';
import type { HostReport } from './model.ts';

export const stateDirectory = '/var/lib/trefoil';

const linkLocal = (nic: HostNic | undefined): string | undefined =>
  nic?.addresses.find((cidr) => cidr.toLowerCase().startsWith('fe80:'))?.split('/')[0];

/**
 * What one host is asked to try: its way to every other on the management network at the address where that one answers
 * now, on the storage network by IPv6 link-local (it has no address yet), and whether the addresses that we are about to
 * give to somebody are free. A tagged storage network cannot be tried before it is set up.
 */
export function questionsFor(
  answers: Answers,
  host: Pick<HostReport, 'answer' | 'info'>,
  all: readonly Pick<HostReport, 'answer' | 'info' | 'foundAt'>[],
): PreflightRequest {
  const { nics } = chooseNics(answers, host.answer, host.info);
  const { management, storage } = answers.networks;
  const peers: PreflightRequest['peers'] = [];
  for (const other of all) {
    if (other.answer.name === host.answer.name) continue;
    if (nics.management !== undefined)
      peers.push({
        network: networkNames.management,
        from: nics.management.name,
        address: other.foundAt,
        mtu: management.mtu,
      });
    const there = linkLocal(chooseNics(answers, other.answer, other.info).nics.storage);
    if (
      storage !== undefined &&
      storage.vlan === undefined &&
      nics.storage !== undefined &&
      there !== undefined &&
      linkLocal(nics.storage) !== undefined
    )
      peers.push({
        network: networkNames.storage,
        from: nics.storage.name,
        address: there,
        mtu: storage.mtu,
      });
  }
  const wanted: NonNullable<PreflightRequest['wanted']> = [];
  const want = (nic: HostNic | undefined, address: string | undefined) => {
    if (nic !== undefined && address !== undefined) wanted.push({ nic: nic.name, address });
  };
  want(nics.management, addressOf(answers.engine.address));
  const { addressing } = host.answer.management;
  if (addressing.kind === 'static') want(nics.management, addressOf(addressing.address));
  if (storage !== undefined && storage.vlan === undefined) {
    const index = answers.hosts.findIndex((each) => each.name === host.answer.name);
    want(nics.storage, storageAddresses(answers.hosts, storage.cidr)[index]);
  }
  return { peers, wanted, fsyncDirectory: stateDirectory };
}
