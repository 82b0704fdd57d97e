import type { HostId } from '../../node/contract/ids.ts';
import { type HostEntry, isMember } from '../hosts/hosts.ts';
import type { Candidate, Needs } from '../scheduler/decide.ts';
import { isActive } from './decide.ts';
import type { VmRecord } from './model.ts';

export function needsOf(record: VmRecord): Needs {
  const { hardware } = record;
  return {
    cpus: hardware.cpus,
    memoryMiB: hardware.memoryMiB,
    cpuModel: hardware.cpuModel,
    networks: [...new Set(hardware.nics.map(({ network }) => network))],
    volumes: [...new Set(hardware.disks.map(({ volume }) => volume))],
  };
}

/** What the scheduler is to know, from what hosts report and what is promised to VMs that do not run yet. */
export function candidatesOf(
  entries: readonly HostEntry[],
  records: Iterable<VmRecord>,
  networks: ReadonlyArray<{ name: string; bridge: string }>,
): Candidate[] {
  const byId = new Map(entries.map((entry) => [entry.record.id, entry]));
  const promised = new Map<HostId, { committedMiB: number; comingMiB: number; count: number }>();
  for (const { id, power, hostId, hardware } of records) {
    if (power !== 'running' || hostId === null) continue;
    const sum = promised.get(hostId) ?? { committedMiB: 0, comingMiB: 0, count: 0 };
    const status = byId.get(hostId)?.picture?.vms.get(id);
    const there = status !== undefined && isActive({ status });
    sum.committedMiB += hardware.memoryMiB;
    sum.comingMiB += there ? 0 : hardware.memoryMiB;
    sum.count += 1;
    promised.set(hostId, sum);
  }
  return entries.filter(isMember).map((entry): Candidate => {
    const { record, picture } = entry;
    const sum = promised.get(record.id) ?? { committedMiB: 0, comingMiB: 0, count: 0 };
    const bridges = new Set((picture?.info?.nics ?? []).flatMap(({ bridge }) => bridge ?? []));
    return {
      id: record.id,
      name: record.name,
      online: entry.state === 'online',
      reason: entry.reason,
      threads: picture?.info?.cpu.threads ?? 0,
      cpuBusyPercent: picture?.load?.cpuBusyPercent ?? 0,
      memoryTotalMiB: picture?.load?.memoryTotalMiB ?? picture?.info?.memoryMiB ?? 0,
      memoryAvailableMiB: picture?.load?.memoryAvailableMiB ?? 0,
      committedMiB: sum.committedMiB,
      comingMiB: sum.comingMiB,
      vmCount: sum.count,
      usableModels: picture?.info?.cpu.usableModels ?? [],
      networks: new Set(networks.filter(({ bridge }) => bridges.has(bridge)).map(({ name }) => name)),
      volumes: new Set(
        [...(picture?.volumes.values() ?? [])]
          .filter(({ mounted, state }) => mounted && state !== 'offline')
          .map(({ name }) => name),
      ),
    };
  });
}
