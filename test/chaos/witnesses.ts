import { type DeclaredVm, declareVm, removeVm } from '../lab/ha.ts';
import type { Lab, LabHost } from '../lab/lab.ts';
import { faultsOf, readDisk, type WitnessRecord } from '../lab/witness.ts';
import { eventually } from '../support/eventually.ts';

/** HA VMs whose disks tell what was lost or written by two. */
export type Witnesses = {
  /** waits until each writes on; gives what is wrong, in sentences */
  look(host: LabHost): Promise<string[]>;
  remove(): Promise<void>;
};

/** Records that were there must be there still, unless the ring has come round to their places. */
export function lostOf(before: readonly WitnessRecord[], now: readonly WitnessRecord[]): string[] {
  const kept = new Map(now.map(({ number, boot }) => [number, boot]));
  const oldest = now[0]?.number ?? 0;
  return before
    .filter(({ number, boot }) => number >= oldest && kept.get(number) !== boot)
    .map(({ number }) => `record ${number} was on the disk and is lost`);
}

export async function startWitnesses(lab: Lab, count: number): Promise<Witnesses> {
  const [first] = lab.hosts;
  if (first === undefined) throw new Error('a lab without hosts');
  const vms: DeclaredVm[] = [];
  const seen = new Map<string, WitnessRecord[]>();
  for (let number = 1; number <= count; number += 1) vms.push(await declareVm(first, `chaos-${number}`));

  const look = async (vm: DeclaredVm, host: LabHost): Promise<string[]> => {
    const before = seen.get(vm.id) ?? [];
    const start = (await readDisk(host, vm)).at(-1)?.number ?? 0;
    const now = await eventually(
      `${vm.name} to write on`,
      async () => {
        const records = await readDisk(host, vm);
        return (records.at(-1)?.number ?? 0) > start && records;
      },
      { deadlineMs: 120_000, everyMs: 2_000 },
    );
    seen.set(vm.id, now);
    return [...faultsOf(now), ...lostOf(before, now)].map((fault) => `${vm.name}: ${fault}`);
  };
  return {
    async look(host) {
      const wrong: string[] = [];
      for (const vm of vms) wrong.push(...(await look(vm, host)));
      return wrong;
    },
    async remove() {
      for (const vm of vms) await removeVm(lab, vm);
    },
  };
}
