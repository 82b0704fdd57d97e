import type { DeclaredVm } from './ha.ts';
import type { LabHost } from './lab.ts';

/**
 * What the test guest has written on its disk (image/guest): records with a number and the id of the boot that wrote them,
 * each with O_DIRECT's guarantees. Two machines at work on one disk show as boots that take turns, or as a number twice.
 */
export type WitnessRecord = { number: number; boot: string };

const pattern = /trefoil-witness n=(\d+) boot=([0-9a-f-]+) up=/g;

export const readRecords = (text: string): WitnessRecord[] =>
  [...text.matchAll(pattern)]
    .map(([, number, boot]) => ({ number: Number(number), boot: boot ?? '' }))
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

/** The whole disk as it is on the volume now: records are in its last MiB. */
export async function readDisk(host: LabHost, vm: DeclaredVm): Promise<WitnessRecord[]> {
  const path = `/var/lib/trefoil/volumes/data/${vm.disk}`;
  const raw = `/tmp/witness-${vm.id}.raw`;
  const script = `qemu-img convert -U -f qcow2 -O raw ${path} ${raw} && tail -c 1048576 ${raw} | tr -d '\\0'; rm -f ${raw}`;
  const { stdout } = await host.exec(['sh', '-c', script], { timeoutMs: 60_000 });
  return readRecords(stdout);
}
