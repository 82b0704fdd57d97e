import type { HostId } from '../../node/contract/ids.ts';
import type { ClusterFacts } from '../cluster/facts.ts';
import type { Volume } from '../contract/storage.ts';
import type { Vm } from '../contract/vms.ts';
import { isMember } from '../hosts/hosts.ts';
import type { Jobs } from '../jobs/runner.ts';
import type { Needs } from '../scheduler/decide.ts';
import { needsOf } from '../vms/candidates.ts';
import type { VmsEnv } from '../vms/env.ts';
import type { VmRecord } from '../vms/model.ts';
import type { PlanFacts, PlanVm } from './plan.ts';

export type MaintenanceEnv = VmsEnv & {
  facts: Pick<ClusterFacts, 'etcd'>;
  volumes(): Volume[];
  view(record: VmRecord): Vm;
  jobs(): Jobs;
  now(): Date;
};

const isOver: ReadonlySet<Vm['state']> = new Set(['off', 'crashed', 'creating', 'deleting']);

/** VMs that run on the host, are about to, or are on their way from it. */
export function vmsOn(env: MaintenanceEnv, host: HostId): PlanVm[] {
  return [...env.catalog.all()].flatMap((record): PlanVm[] => {
    const { state, host: on } = env.view(record);
    if (on?.id !== host || isOver.has(state)) return [];
    const { id, name, isEngine } = record;
    const allowedHosts = env.ha.mirror.view().vms.get(id)?.value.allowedHosts;
    return [
      {
        id,
        name,
        isEngine,
        state,
        allowedHosts,
        needs: isEngine ? needsOfEngine(env, record) : needsOf(record),
      },
    ];
  });
}

/** Of its own VM the engine has no record of disks; what HA would start it from says what it needs. */
function needsOfEngine(env: MaintenanceEnv, { id }: VmRecord): Needs | undefined {
  const { vms, specs } = env.ha.mirror.view();
  const [vm, spec] = [vms.get(id)?.value, specs.get(id)?.value.spec];
  if (vm === undefined || spec === undefined) return undefined;
  // The network of the hosts is where it is at home: it is on each of them.
  return {
    cpus: spec.cpus,
    memoryMiB: spec.memoryMiB,
    cpuModel: spec.cpuModel,
    networks: [],
    volumes: vm.volumes,
  };
}

export function planFacts(env: MaintenanceEnv, id: HostId): PlanFacts {
  const { record, picture } = env.hosts.need(id);
  const { current, reason } = env.ha.mirror.state();
  const { maintenance, fences } = env.ha.mirror.view();
  return {
    host: { id, name: record.name },
    storeIsAway: current ? undefined : reason,
    hosts: env.hosts
      .all()
      .filter(isMember)
      .map((entry) => ({
        id: entry.record.id,
        name: entry.record.name,
        online: entry.state === 'online',
        reason: entry.reason,
        isFenced: fences.has(entry.record.id),
      })),
    maintenance: new Set(maintenance.keys()),
    etcd: env.facts.etcd(),
    volumes: env.volumes(),
    candidates: env.candidates(),
    vms: vmsOn(env, id),
    strays: [...(picture?.vms.values() ?? [])]
      .filter((vm) => vm.state !== 'off' && vm.state !== 'crashed' && env.catalog.get(vm.id) === undefined)
      .map(({ name }) => name),
  };
}
