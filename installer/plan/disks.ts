import type { BrickPut, HostDisk } from '../../node/contract/disks.ts';
import type { HostAnswer } from '../contract/answers.ts';
import { error, type Problem } from '../contract/problems.ts';

export type Place = BrickPut['place'];
export type Choice = { place: Place; disk: HostDisk | undefined };

export const diskChoiceOf = (host: HostAnswer): NonNullable<HostAnswer['disks']> =>
  host.disks ?? (host.role === 'arbiter' ? 'directory' : 'largest-free');

const usage: Record<HostDisk['use'], string> = {
  free: 'is free',
  'holds-data': 'holds data',
  system: "is the system's",
  brick: 'is already a brick',
  'in-use': 'is in use',
};
const gigabytes = (disk: HostDisk): string => `${Math.round(disk.sizeMiB / 1024)} GiB`;
const listed = (disks: readonly HostDisk[]): string =>
  disks.length === 0
    ? 'it has no disks'
    : disks.map((disk) => `${disk.serial || disk.path} (${gigabytes(disk)}) ${usage[disk.use]}`).join('; ');

/** The places for a host's bricks. A disk with anything on it is only taken by its serial and with `eraseData`. */
export function chooseDisks(
  host: HostAnswer,
  disks: readonly HostDisk[],
): { choices: Choice[]; problems: Problem[] } {
  const wanted = diskChoiceOf(host);
  const problem = (code: string, reason: string, remedy: string) =>
    error(`hosts.${host.name}`, code, reason, remedy);
  if (wanted === 'directory')
    return { choices: [{ place: { kind: 'directory' }, disk: undefined }], problems: [] };
  if (wanted === 'largest-free') {
    const [largest] = disks
      .filter((disk) => disk.use === 'free' && disk.serial !== '')
      .toSorted((a, b) => b.sizeMiB - a.sizeMiB || a.serial.localeCompare(b.serial));
    if (largest !== undefined)
      return {
        choices: [{ place: { kind: 'disk', serial: largest.serial, eraseData: false }, disk: largest }],
        problems: [],
      };
    return {
      choices: [],
      problems: [
        problem(
          'disk.none-free',
          `${host.name} has no free disk: ${listed(disks)}.`,
          'Put in an empty disk; or name one by its serial number and say "eraseData": true to lose what is on it.',
        ),
      ],
    };
  }
  const problems: Problem[] = [];
  const choices = wanted.flatMap(({ serial }): Choice[] => {
    const disk = disks.find((each) => each.serial === serial);
    if (disk === undefined)
      problems.push(
        problem(
          'disk.missing',
          `${host.name} has no disk with the serial number ${serial}: ${listed(disks)}.`,
          'Name one of its disks.',
        ),
      );
    else if (disk.use === 'holds-data' && !host.eraseData)
      problems.push(
        problem(
          'disk.holds-data',
          `The disk ${serial} of ${host.name} holds data (${disk.contents}).`,
          'Take another disk, or say "eraseData": true at this host to lose what is on it.',
        ),
      );
    else if (disk.use !== 'free' && disk.use !== 'holds-data')
      problems.push(
        problem(
          'disk.in-use',
          `The disk ${serial} of ${host.name} ${usage[disk.use]} and cannot be taken.`,
          'Take another disk.',
        ),
      );
    else return [{ place: { kind: 'disk', serial, eraseData: host.eraseData }, disk }];
    return [];
  });
  return { choices, problems };
}
