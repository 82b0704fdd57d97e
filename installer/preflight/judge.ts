import type { Answers } from '../contract/answers.ts';
import { error, type Problem, warning } from '../contract/problems.ts';
import { commonCpuModel } from '../plan/cpu.ts';
import { chooseDisks } from '../plan/disks.ts';
import { chooseNics } from '../plan/nics.ts';
import { judgeNetworks } from './judge-networks.ts';
import type { HostReport } from './model.ts';

/** Limits, with their reasons. */
const skewErrorMs = 30_000; // certificates and logs disagree; no time service closes such a gap by slewing
const skewWarningMs = 2_000;
const fsyncErrorMs = 1_000; // etcd would lose its leader at every write
const fsyncWarningMs = 50; // etcd asks for 10 ms; up to here only slower
const hostMemoryMiB = 1024; // system, agent, etcd and Gluster
const leastMemoryMiB = 1800;
const systemFreeMiB = 1024;
const brickMiB = 10 * 1024;
const sizeRatio = 0.8;

const at = (report: HostReport): string => `hosts.${report.answer.name}`;

/** Everything that what was seen on the hosts says against forming the cluster that was asked for. Pure. */
export function judge(answers: Answers, reports: readonly HostReport[]): Problem[] {
  return [
    ...reports.flatMap((report) => [
      ...judgeIdentity(report, reports),
      ...judgeMeasures(report, answers),
      ...chooseNics(answers, report.answer, report.info).problems,
      ...chooseDisks(report.answer, report.info.disks).problems,
    ]),
    ...judgeNetworks(answers, reports),
    ...judgeVirtualization(reports),
    ...judgeCpus(reports),
    ...judgeBricks(reports),
  ];
}

function judgeIdentity(report: HostReport, all: readonly HostReport[]): Problem[] {
  const { answer, info } = report;
  const problems: Problem[] = [];
  const [first] = all;
  if (info.membership.state === 'joined')
    problems.push(
      error(
        at(report),
        'host.joined',
        `${answer.name} already belongs to the cluster ${info.membership.clusterName}.`,
        'Let it leave that cluster first, or take another host.',
      ),
    );
  if (first !== undefined && info.version !== first.info.version)
    problems.push(
      error(
        at(report),
        'host.other-version',
        `${answer.name} runs version ${info.version}, ${first.answer.name} runs ${first.info.version}.`,
        'Install the same version on all hosts.',
      ),
    );
  const same = all.find((other) => other.info.id === info.id);
  if (same !== undefined && same !== report)
    problems.push(
      error(
        at(report),
        'host.same',
        `${answer.name} and ${same.answer.name} are the same machine, or copies of one installation.`,
        'Name each machine once; install each one anew rather than copying disks.',
      ),
    );
  return problems;
}

function judgeMeasures(report: HostReport, answers: Answers): Problem[] {
  const { answer, info, clockSkewMs: skew } = report;
  const problems: Problem[] = [];
  const seconds = (Math.abs(skew) / 1000).toFixed(Math.abs(skew) < 10_000 ? 1 : 0);
  const clock = `The clock of ${answer.name} is ${seconds} s ${skew > 0 ? 'ahead of' : 'behind'} the first host's.`;
  if (Math.abs(skew) > skewErrorMs)
    problems.push(
      error(at(report), 'host.clock', clock, "Set the host's clock in its firmware, or name a time server."),
    );
  else if (Math.abs(skew) > skewWarningMs)
    problems.push(warning(at(report), 'host.clock', clock, 'It is corrected while the cluster is formed.'));

  const engineMiB = report.answer.find === 'this' ? answers.engine.memoryMiB : 0;
  const need = engineMiB + (engineMiB > 0 ? hostMemoryMiB : leastMemoryMiB);
  if (info.memoryMiB < need)
    problems.push(
      error(
        at(report),
        'host.memory',
        `${answer.name} has ${info.memoryMiB} MiB of memory; ${need} MiB are needed${engineMiB > 0 ? ' to run the engine on it' : ''}.`,
        'Add memory, or take another host.',
      ),
    );
  return [...problems, ...judgeSystemDisk(report)];
}

function judgeSystemDisk({ answer, report }: HostReport): Problem[] {
  if (report === undefined) return [];
  const path = `hosts.${answer.name}`;
  const free = report.systemFreeMiB;
  if (free !== undefined && free < systemFreeMiB)
    return [
      error(
        path,
        'host.disk-full',
        `The system disk of ${answer.name} is full: ${Math.round(free)} MiB are left, ${systemFreeMiB} MiB are needed.`,
        'Make room on it.',
      ),
    ];
  const p99 = report.fsync?.p99Ms;
  if (p99 === undefined || p99 <= fsyncWarningMs) return [];
  const reason = `The system disk of ${answer.name} needs ${Math.round(p99)} ms to store a write safely.`;
  return [
    p99 > fsyncErrorMs
      ? error(path, 'host.slow-disk', reason, 'Use a faster disk for the system.')
      : warning(
          path,
          'host.slow-disk',
          reason,
          'It works, but a faster system disk makes the cluster quicker.',
        ),
  ];
}

/** Told once: it is often the same on all hosts. */
function judgeVirtualization(reports: readonly HostReport[]): Problem[] {
  const slow = reports.filter(({ info }) => info.cpu.accelerator === 'tcg').map(({ answer }) => answer.name);
  const who = slow.length === reports.length && slow.length > 1 ? 'No host' : slow.join(', ');
  if (slow.length === 0) return [];
  return [
    warning(
      'hosts',
      'host.no-kvm',
      `${who === 'No host' ? 'No host has' : `${who} ${slow.length === 1 ? 'has' : 'have'} no`} hardware virtualization, so VMs run very slowly there.`,
      'Switch on VT-x or AMD-V (SVM) in the firmware.',
    ),
  ];
}

function judgeCpus(reports: readonly HostReport[]): Problem[] {
  if (reports.length === 0 || commonCpuModel(reports.map(({ info }) => info.cpu)) !== undefined) return [];
  const seen = reports.map(({ answer, info }) => `${answer.name}: ${info.cpu.model}`).join('; ');
  return [
    error(
      'hosts',
      'hosts.no-common-cpu',
      `The processors have no model in common, so VMs could not move between the hosts (${seen}).`,
      'Use hosts with processors of one maker.',
    ),
  ];
}

/** Enough room for the engine and something besides, and mates of about the same size. */
function judgeBricks(reports: readonly HostReport[]): Problem[] {
  const full = reports.filter(({ answer }) => answer.role === 'full');
  const sized = full.flatMap((report) =>
    chooseDisks(report.answer, report.info.disks).choices.map(({ disk }, index) => ({
      report,
      index,
      directory: disk === undefined,
      sizeMiB: disk?.sizeMiB ?? report.report?.systemFreeMiB,
    })),
  );
  const problems = sized.flatMap(({ report, sizeMiB, directory }) =>
    sizeMiB !== undefined && sizeMiB < brickMiB
      ? [
          error(
            at(report),
            directory ? 'host.disk-full' : 'disk.small',
            `${directory ? 'The system disk' : 'The disk'} of ${report.answer.name} has ${Math.round(sizeMiB)} MiB for data; ${brickMiB} MiB are needed.`,
            directory ? 'Make room on it, or give the host a disk for data.' : 'Take a larger disk.',
          ),
        ]
      : [],
  );
  for (const [index] of sized.filter((each) => each.report === full[0]).entries()) {
    const sizes = sized.flatMap((each) => (each.index === index && each.sizeMiB ? [each.sizeMiB] : []));
    const [least, most] = [Math.min(...sizes), Math.max(...sizes)];
    if (least < most * sizeRatio)
      problems.push(
        warning(
          'hosts',
          'hosts.uneven-sizes',
          `The disks that mirror each other have ${Math.round(least / 1024)} to ${Math.round(most / 1024)} GiB; only the smallest counts.`,
          'Use disks of the same size to lose none of their space.',
        ),
      );
  }
  return problems;
}
