import type { HostId } from '../../node/contract/ids.ts';
import type { VmStatus } from '../../node/contract/vms.ts';
import type { Vm, VmState } from '../contract/vms.ts';
import type { VmUsage } from '../hosts/observe.ts';
import type { VmRecord } from './model.ts';

/** All that is known of a VM besides its record. */
export type VmSight = {
  /** the host that it is assigned to */
  host:
    | {
        id: HostId;
        name: string;
        state: 'connecting' | 'online' | 'unreachable';
        reason: string;
        seen: boolean;
      }
    | undefined;
  /** what that host reports of it */
  status: VmStatus | undefined;
  /** HA is to keep it running; `isGiven`: to that host */
  ha: { isGiven: boolean; why: string } | undefined;
  usage: VmUsage | undefined;
  job: { id: string; kind: string } | undefined;
};

type StateAndReason = { state: VmState; reason: string };

/** The one place where what is wanted, what is reported and what is going on become the state that people see. */
export function stateOf(
  record: VmRecord,
  sight: Pick<VmSight, 'host' | 'status' | 'job' | 'ha'>,
): StateAndReason {
  const kind = sight.job?.kind;
  if (record.lifecycle === 'creating') return { state: 'creating', reason: '' };
  if (record.lifecycle === 'deleting') return { state: 'deleting', reason: '' };
  const { host, status } = sight;
  if (host === undefined)
    return kind === 'vm.start' ? { state: 'starting', reason: '' } : { state: 'off', reason: record.note };
  if (host.state === 'unreachable' && sight.ha !== undefined && kind === undefined)
    return {
      state: 'unknown',
      reason: `${host.name} cannot be reached; HA starts it on another host as soon as that is safe.`,
    };
  if (host.state === 'unreachable')
    return { state: 'unknown', reason: `${host.name} cannot be reached: ${host.reason}` };
  if (!host.seen) return { state: 'unknown', reason: `The engine is connecting to ${host.name}.` };
  if (sight.ha !== undefined && kind === undefined && (status === undefined || status.state === 'off'))
    return { state: 'starting', reason: sight.ha.isGiven ? '' : 'It waits for HA to give it to a host.' };
  if (status === undefined) return unreported(record, host.name, kind);
  return reported(status, record, kind);
}

function unreported(record: VmRecord, hostName: string, kind: string | undefined): StateAndReason {
  switch (kind) {
    case 'vm.start':
    case 'vm.create':
      return { state: 'starting', reason: '' };
    case 'vm.migrate':
      return { state: 'migrating', reason: '' };
    case 'vm.stop':
    case 'vm.shutdown':
      return { state: 'stopping', reason: '' };
    default:
      return record.power === 'off'
        ? { state: 'off', reason: record.note }
        : { state: 'unknown', reason: `${hostName} does not report it.` };
  }
}

function reported(status: VmStatus, record: VmRecord, kind: string | undefined): StateAndReason {
  switch (status.state) {
    case 'off':
      return kind === 'vm.start' || kind === 'vm.create'
        ? { state: 'starting', reason: '' }
        : { state: 'off', reason: record.note === '' ? status.reason : record.note };
    case 'running':
      if (kind === 'vm.migrate') return { state: 'migrating', reason: status.reason };
      if (kind === 'vm.stop' || kind === 'vm.shutdown') return { state: 'stopping', reason: status.reason };
      return { state: 'running', reason: record.note };
    case 'migrating-in':
    case 'migrating-out':
      return { state: 'migrating', reason: status.reason };
    case 'starting':
    case 'paused':
    case 'stopping':
    case 'crashed':
    case 'unknown':
      return { state: status.state, reason: status.reason };
  }
}

export function vmView(record: VmRecord, sight: VmSight): Vm {
  const { hardware } = record;
  const { host, status, usage, job } = sight;
  const { state, reason } = stateOf(record, sight);
  const alive = state === 'running' || state === 'migrating' || state === 'stopping' || state === 'paused';
  return {
    id: record.id,
    name: record.name,
    description: record.description,
    state,
    reason,
    cpus: hardware.cpus,
    memoryMiB: hardware.memoryMiB,
    disks: hardware.disks.map(({ id, name, volume, sizeMiB, format }) => ({
      id,
      name,
      volume,
      sizeMiB,
      format,
    })),
    nics: hardware.nics.map(({ network, mac }) => ({ network, mac, addresses: [] })),
    ...(record.imageId === null ? {} : { image: { id: record.imageId, name: record.imageName ?? '' } }),
    ...(host === undefined || record.hostId === null ? {} : { host: { id: host.id, name: host.name } }),
    isEngine: record.isEngine,
    // The engine's own VM has no policy: it is under HA when the hosts have any.
    ha: {
      enabled: record.haEnabled || (record.isEngine && sight.ha !== undefined),
      priority: record.isEngine ? 'high' : record.haPriority,
    },
    ...(alive && usage?.busyPercent !== undefined ? { cpuBusyPercent: usage.busyPercent } : {}),
    ...(alive && usage?.memoryUsedMiB !== undefined
      ? { memoryUsedMiB: Math.round(usage.memoryUsedMiB) }
      : {}),
    createdAt: record.createdAt.toISOString(),
    ...(alive && status?.startedAt !== undefined ? { startedAt: status.startedAt } : {}),
    ...(job === undefined ? {} : { jobId: job.id }),
  };
}
