import type { Answers } from '../contract/answers.ts';
import { error, type Problem } from '../contract/problems.ts';
import { addressOf, isInside, subnetOf } from '../net/ipv4.ts';
import { chooseNics, managementAddress } from '../plan/nics.ts';
import { networkNames } from '../plan/plan.ts';
import type { HostReport } from './model.ts';

const at = (report: HostReport): string => `hosts.${report.answer.name}`;

/** Ways between the hosts, in both directions and at full size, and whether addresses are free and fit together. */
export function judgeNetworks(answers: Answers, reports: readonly HostReport[]): Problem[] {
  return [
    ...reports.flatMap((report) => [
      ...judgeAddress(answers, report),
      ...judgeReach(report, reports),
      ...judgeConflicts(answers, report),
    ]),
  ];
}

function judgeAddress(answers: Answers, report: HostReport): Problem[] {
  const { answer, info } = report;
  if (answer.management.addressing.kind === 'static') return [];
  const { management } = chooseNics(answers, answer, info).nics;
  if (management === undefined) return [];
  const own = managementAddress(management, answers.engine.address);
  if (own === undefined)
    return [
      error(
        at(report),
        'networks.other-subnet',
        `${answer.name} has no address in the engine's subnet ${subnetOf(answers.engine.address)} on ${management.name} (${management.addresses.filter((cidr) => !cidr.includes(':')).join(', ') || 'no IPv4 address'}).`,
        "Correct the engine's address, or name the right network card.",
      ),
    ];
  return addressOf(own) === addressOf(answers.engine.address)
    ? [
        error(
          'engine.address',
          'address.taken',
          `${addressOf(own)} is already the address of ${answer.name}.`,
          'Give the engine an address of its own, outside the range that DHCP gives away.',
        ),
      ]
    : [];
}

function judgeReach(report: HostReport, all: readonly HostReport[]): Problem[] {
  return (report.report?.reach ?? []).flatMap((way) => {
    const other = all.find(
      (each) =>
        each.foundAt === way.address ||
        each.info.nics.some((nic) => nic.addresses.some((cidr) => sameAddress(cidr, way.address))),
    );
    const [from, to] = [report.answer.name, other?.answer.name ?? way.address];
    const network = way.network === networkNames.storage ? 'storage' : 'management';
    if (!way.reachable)
      return [
        error(
          at(report),
          'network.unreachable',
          `${from} cannot reach ${to} on the ${network} network.`,
          'Check cables, switch ports and VLANs between the two.',
        ),
      ];
    if (!way.fullMtu)
      return [
        error(
          at(report),
          'network.mtu',
          `Large packets from ${from} do not arrive at ${to} on the ${network} network.`,
          `Set the same MTU on all switch ports between them, or a smaller one at networks.${network}.mtu.`,
        ),
      ];
    return [];
  });
}

const sameAddress = (cidr: string, address: string): boolean =>
  addressOf(cidr).toLowerCase() === address.split('%')[0]?.toLowerCase();

function judgeConflicts(answers: Answers, report: HostReport): Problem[] {
  return (report.report?.addressConflicts ?? []).map(({ address, mac }) => {
    const engine = address === addressOf(answers.engine.address);
    const storage = answers.networks.storage;
    const path = engine
      ? 'engine.address'
      : storage !== undefined && isInside(address, storage.cidr)
        ? 'networks.storage'
        : at(report);
    return error(
      path,
      'address.in-use',
      `${address} is already used by another machine (${mac}).`,
      engine ? 'Give the engine a free address.' : 'Take another address.',
    );
  });
}
