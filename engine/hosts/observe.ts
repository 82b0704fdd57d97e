import type { NodeEvent } from '../../node/contract/events.ts';
import type { HostInfo, HostLoad } from '../../node/contract/host.ts';
import type { TaskId, VmId } from '../../node/contract/ids.ts';
import type { VolumeStatus } from '../../node/contract/storage.ts';
import type { Task } from '../../node/contract/tasks.ts';
import type { VmStatistics, VmStatus } from '../../node/contract/vms.ts';

/** What is known of one host from what it told; kept in memory only. Old news stay until the next full picture. */
export type Picture = {
  info: HostInfo | undefined;
  load: HostLoad | undefined;
  vms: Map<VmId, VmStatus>;
  usage: Map<VmId, VmUsage>;
  volumes: Map<string, VolumeStatus>;
  tasks: Map<TaskId, Task>;
};
export type VmUsage = {
  atMs: number;
  cpuTimeNs: number;
  busyPercent: number | undefined;
  memoryUsedMiB: number | undefined;
};

/** What somebody may have to look at after an event. */
export type Change =
  | { kind: 'vm'; id: VmId }
  | { kind: 'vm-usage'; ids: VmId[] }
  | { kind: 'volume'; name: string }
  | { kind: 'task'; task: Task }
  | { kind: 'load' }
  | { kind: 'notice'; notice: Extract<NodeEvent, { kind: 'notice' }> }
  | { kind: 'unit'; name: string; activeState: string };

export const emptyPicture = (): Picture => ({
  info: undefined,
  load: undefined,
  vms: new Map(),
  usage: new Map(),
  volumes: new Map(),
  tasks: new Map(),
});

/** Takes one event into the picture (which it changes) and says what changed. No clock, no I/O. */
export function applyEvent(picture: Picture, event: NodeEvent): Change[] {
  switch (event.kind) {
    case 'vm':
      picture.vms.set(event.status.id, event.status);
      return [{ kind: 'vm', id: event.status.id }];
    case 'vm-gone':
      picture.vms.delete(event.id);
      picture.usage.delete(event.id);
      return [{ kind: 'vm', id: event.id }];
    case 'vm-statistics': {
      for (const statistics of event.statistics)
        picture.usage.set(
          statistics.id,
          usageOf(picture.usage.get(statistics.id), statistics, picture.vms.get(statistics.id)?.cpus ?? 1),
        );
      return [{ kind: 'vm-usage', ids: event.statistics.map(({ id }) => id) }];
    }
    case 'load':
      picture.load = event.load;
      return [{ kind: 'load' }];
    case 'volume':
      picture.volumes.set(event.status.name, event.status);
      return [{ kind: 'volume', name: event.status.name }];
    case 'task':
      if (event.task.state === 'running') picture.tasks.set(event.task.id, event.task);
      else picture.tasks.delete(event.task.id);
      return [{ kind: 'task', task: event.task }];
    case 'notice':
      return [{ kind: 'notice', notice: event }];
    case 'unit':
      return [{ kind: 'unit', name: event.status.name, activeState: event.status.activeState }];
    case 'snapshot-done':
    case 'heartbeat':
      return [];
  }
}

/** Busy time between two readings, of all vCPUs together; a counter that went back (restart, move) starts anew. */
export function usageOf(before: VmUsage | undefined, now: VmStatistics, cpus: number): VmUsage {
  const atMs = Date.parse(now.at);
  const elapsedNs = before === undefined ? 0 : (atMs - before.atMs) * 1e6;
  const usedNs = before === undefined ? -1 : now.cpuTimeNs - before.cpuTimeNs;
  const busyPercent =
    elapsedNs > 0 && usedNs >= 0
      ? Math.min(100, Math.round((100 * usedNs) / elapsedNs / Math.max(1, cpus)))
      : undefined;
  return { atMs, cpuTimeNs: now.cpuTimeNs, busyPercent, memoryUsedMiB: now.memoryUsedMiB };
}
