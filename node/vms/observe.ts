import type { VmId } from '../contract/ids.ts';
import type { VmStatistics } from '../contract/vms.ts';
import { domainStateOf, statsGroup } from '../libvirt/constants.ts';
import type { ParamReader } from '../libvirt/typed-params.ts';
import type { Sight } from './model.ts';

/** All that one bulk call brings. */
export const wantedStats = statsGroup.vcpu | statsGroup.balloon | statsGroup.interface | statsGroup.block;

export function sightOf(values: ParamReader): Sight | undefined {
  const state = values.number('state.state');
  return state === undefined ? undefined : domainStateOf(state, values.number('state.reason') ?? 0);
}

/** `block.count=2, block.0.rd.bytes=..., block.1.rd.bytes=...` added up; of vCPUs, `maximum` says how many there are. */
function sum(values: ParamReader, group: 'block' | 'net' | 'vcpu', field: string): number {
  const count = values.number(`${group}.${group === 'vcpu' ? 'maximum' : 'count'}`) ?? 0;
  let total = 0;
  for (let index = 0; index < count; index += 1) total += values.number(`${group}.${index}.${field}`) ?? 0;
  return total;
}

/**
 * What the guest says that it uses, when it has a balloon driver; else what QEMU occupies, which is never less than what
 * the guest has ever touched. Both in KiB.
 */
function memoryUsedKiB(values: ParamReader): number | undefined {
  const has = values.number('balloon.available');
  const usable = values.number('balloon.usable') ?? values.number('balloon.unused');
  if (has !== undefined && usable !== undefined) return Math.max(0, has - usable);
  const occupied = values.number('balloon.rss');
  const current = values.number('balloon.current');
  if (occupied === undefined) return undefined;
  return current === undefined ? occupied : Math.min(occupied, current);
}

export function statisticsOf(id: VmId, values: ParamReader, at: Date): VmStatistics {
  const used = memoryUsedKiB(values);
  return {
    id,
    at: at.toISOString(),
    // Of the vCPUs' threads: `cpu.time` comes from control groups, which hosts in containers do not have.
    cpuTimeNs: sum(values, 'vcpu', 'time'),
    ...(used === undefined ? {} : { memoryUsedMiB: Math.round(used / 1024) }),
    diskReadBytes: sum(values, 'block', 'rd.bytes'),
    diskWriteBytes: sum(values, 'block', 'wr.bytes'),
    netReceiveBytes: sum(values, 'net', 'rx.bytes'),
    netSendBytes: sum(values, 'net', 'tx.bytes'),
  };
}
