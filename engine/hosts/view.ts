import type { Host } from '../contract/hosts.ts';
import type { HostEntry } from './hosts.ts';

/** A host as the API shows it; what it has not told yet is empty. */
export function hostView(entry: HostEntry, maintenance?: Host['maintenance']): Host {
  const { record, picture, lastSeenAt } = entry;
  const info = picture?.info;
  const running = [...(picture?.vms.values() ?? [])].filter(
    (vm) => vm.state !== 'off' && vm.state !== 'crashed',
  );
  const joining = record.membership === 'joining';
  return {
    id: record.id,
    name: record.name,
    address: record.address,
    storageAddress: record.storageAddress,
    state: joining ? 'joining' : entry.state,
    reason: joining ? 'It is being added to the cluster.' : entry.reason,
    version: info?.version ?? '',
    cpu: {
      model: info?.cpu.model ?? '',
      threads: info?.cpu.threads ?? 0,
      busyPercent: Math.round(picture?.load?.cpuBusyPercent ?? 0),
      accelerator: info?.cpu.accelerator ?? 'kvm',
    },
    memory: {
      totalMiB: picture?.load?.memoryTotalMiB ?? info?.memoryMiB ?? 0,
      availableMiB: picture?.load?.memoryAvailableMiB ?? 0,
    },
    machine: info === undefined ? '' : `${info.machine.vendor} ${info.machine.model}`.trim(),
    vmCount: running.length,
    runsEngine: running.some((vm) => vm.role === 'engine'),
    ...(maintenance === undefined ? {} : { maintenance }),
    ...(lastSeenAt === undefined ? {} : { lastSeenAt: lastSeenAt.toISOString() }),
    ...(info === undefined ? {} : { bootedAt: info.bootedAt }),
  };
}
