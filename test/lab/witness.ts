import type { DeclaredVm } from './ha.ts';
import type { LabHost } from './lab.ts';

/**
 * What the test guest has written on its disk (image/guest): records with a number and the id of the boot that wrote them,
 * each with O_DIRECT's guarantees. Two machines at work on one disk show as boots that take turns, or as a number twice.
 */
export type WitnessRecord = { number: number; boot: string; upSeconds: number };

const pattern = /trefoil-witness n=(\d+) boot=([0-9a-f-]+) up=([\d.]+)/g;

export const readRecords = (text: string): WitnessRecord[] =>
  [...text.matchAll(pattern)]
    .map(([, number, boot, up]) => ({ number: Number(number), boot: boot ?? '', upSeconds: Number(up) }))
    .sort((a, b) => a.number - b.number);

/** What is wrong with them, in sentences; none: each boot wrote one unbroken run, and one after the other. */
export function faultsOf(records: readonly WitnessRecord[]): string[] {
  const faults: string[] = [];
  const over = new Set<string>();
  let before: WitnessRecord | undefined;
  for (const record of records) {
    if (before !== undefined && record.number !== before.number + 1)
      faults.push(`record ${before.number + 1} is missing, or ${record.number} is there twice`);
    if (before !== undefined && record.boot !== before.boot) over.add(before.boot);
    if (over.has(record.boot))
      faults.push(`boot ${record.boot} wrote record ${record.number} after another boot had begun`);
    before = record;
  }
  return faults;
}

/**
 * How much longer than a usual round (a second of rest, a write, its shell) the longest one since the record `since` took,
 * in ms by the guest's own clock; undefined when it was not one boot throughout.
 */
export function longestStallMs(records: readonly WitnessRecord[], since: number): number | undefined {
  const own = records.filter(({ number }) => number >= since);
  if (own.length < 2 || new Set(own.map(({ boot }) => boot)).size > 1) return undefined;
  const boot = records.filter((record) => record.boot === own[0]?.boot);
  const usual = roundsOf(boot).sort((a, b) => a - b);
  return Math.round((Math.max(...roundsOf(own)) - (usual[Math.floor(usual.length / 2)] ?? 0)) * 1_000);
}

const roundsOf = (records: readonly WitnessRecord[]): number[] =>
  records.slice(1).map(({ upSeconds }, at) => upSeconds - (records[at]?.upSeconds ?? upSeconds));

/** The whole disk as it is on the volume now: records are in its last MiB. */
export async function readDisk(host: LabHost, vm: DeclaredVm): Promise<WitnessRecord[]> {
  const path = `/var/lib/trefoil/volumes/data/${vm.disk}`;
  const raw = `/tmp/witness-${vm.id}.raw`;
  const script = `qemu-img convert -U -f qcow2 -O raw ${path} ${raw} && tail -c 1048576 ${raw} | tr -d '\\0'; rm -f ${raw}`;
  const { stdout } = await host.exec(['sh', '-c', script], { timeoutMs: 60_000 });
  return readRecords(stdout);
}
