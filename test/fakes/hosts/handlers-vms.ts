import type { HaSpec } from '../../../node/contract/ha.ts';
import type { VmId } from '../../../node/contract/ids.ts';
import type { VmStatistics, VmStatus } from '../../../node/contract/vms.ts';
import { emit, type Handlers, later, needGeneration, refuse, takes } from './handlers.ts';
import { startTask } from './handlers-storage.ts';
import { type FakeHost, type FakeVm, type FakeWorld, hostById } from './model.ts';

type Names = 'getVms' | 'getVm' | 'putVm' | 'deleteVm' | 'actOnVm' | 'migrateVm' | 'getVmStatistics';

const bootMs = 1_500;
const shutdownMs = 2_000;

const statusOf = (host: FakeHost, vm: FakeVm): VmStatus => ({
  id: vm.spec.id,
  name: vm.spec.name,
  state: vm.state,
  reason: vm.reason,
  generation: vm.generation,
  power: vm.power,
  cpus: vm.spec.cpus,
  memoryMiB: vm.spec.memoryMiB,
  ...(vm.startedAt === undefined ? {} : { startedAt: vm.startedAt }),
  role: vm.spec.role,
  accelerator: host.options.accelerator ?? 'kvm',
});

const vmOf = (host: FakeHost, id: string | undefined): FakeVm => {
  // The id comes out of a path: what is not there is not found.
  const vm = host.kept.vms.get(id as VmId);
  if (vm === undefined) throw refuse('missing', 'vm.missing', `${host.options.name} does not have this VM.`);
  return vm;
};

function become(host: FakeHost, vm: FakeVm, state: FakeVm['state'], reason: string): void {
  vm.state = state;
  vm.reason = reason;
  emit(host, { kind: 'vm', status: statusOf(host, vm) });
}

function start(world: FakeWorld, host: FakeHost, vm: FakeVm): void {
  for (const disk of vm.spec.disks)
    if (world.volumes.get(disk.volume)?.files.has(disk.path) !== true)
      throw refuse(
        'missing',
        'disk.missing',
        `The disk file ${disk.path} is not on the volume ${disk.volume}.`,
      );
  const elsewhere = world.hosts.find((other) => {
    const there = other !== host ? other.kept.vms.get(vm.spec.id) : undefined;
    return there !== undefined && there.state !== 'off';
  });
  if (elsewhere !== undefined)
    throw refuse(
      'conflict',
      'disk.locked',
      `Failed to get "write" lock: ${elsewhere.options.name} runs this VM.`,
    );
  vm.startedAt = world.now().toISOString();
  vm.serial += `[boot] ${vm.spec.name} on ${host.options.name}\n`;
  become(host, vm, 'running', 'booted');
  later(world, bootMs, () => {
    vm.serial += `[ready] ${vm.spec.name}\n`;
  });
}

type HowEnded = NonNullable<NonNullable<FakeVm['ha']>['ended']>['how'];

function end(
  world: FakeWorld,
  host: FakeHost,
  vm: FakeVm,
  ms: number,
  reason: string,
  how: HowEnded = 'crashed',
): void {
  if (vm.state === 'off') return;
  become(host, vm, 'stopping', reason);
  later(world, ms, () => {
    if (vm.state !== 'stopping') return;
    delete vm.startedAt;
    if (vm.ha !== undefined) vm.ha.ended = { how, atMs: performance.now() };
    become(host, vm, 'off', reason);
  });
}

/** What the host's HA does, past its agent. A start that fails leaves the VM off, with the reason. */
export function startByHa(
  world: FakeWorld,
  host: FakeHost,
  { spec, generation }: HaSpec,
  epoch: number,
): void {
  const present = host.kept.vms.get(spec.id);
  if (present !== undefined && present.state !== 'off' && present.state !== 'crashed') return;
  const vm: FakeVm = {
    spec,
    generation,
    power: 'running',
    state: 'off',
    reason: '',
    serial: present?.serial ?? '',
    ha: { epoch },
  };
  host.kept.vms.set(spec.id, vm);
  try {
    start(world, host, vm);
  } catch (thrown) {
    const reason = thrown instanceof Error ? thrown.message : String(thrown);
    vm.ha = { epoch, ended: { how: 'not-started', atMs: performance.now() } };
    become(host, vm, 'off', reason);
  }
}

/** At once; the host knows nothing of it afterwards. */
export function endByHa(host: FakeHost, id: VmId): void {
  const vm = host.kept.vms.get(id);
  if (vm === undefined) return;
  delete vm.startedAt;
  become(host, vm, 'off', 'ended by HA');
  host.kept.vms.delete(id);
  emit(host, { kind: 'vm-gone', id, reason: 'ended by HA' });
}

/** Its power is gone, and with it what HA had started there. */
export function forgetByHa(host: FakeHost): void {
  for (const [id, { ha }] of host.kept.vms) if (ha !== undefined) host.kept.vms.delete(id);
}

export function statisticsOf(world: FakeWorld, host: FakeHost): VmStatistics[] {
  const at = world.now();
  return [...host.kept.vms.values()]
    .filter((vm) => vm.state === 'running')
    .map((vm) => {
      const seconds = Math.max(0, at.getTime() - Date.parse(vm.startedAt ?? at.toISOString())) / 1000;
      return {
        id: vm.spec.id,
        at: at.toISOString(),
        cpuTimeNs: Math.round(seconds * 6e7 * vm.spec.cpus),
        memoryUsedMiB: Math.round(vm.spec.memoryMiB * 0.6),
        diskReadBytes: Math.round(seconds * 20_000),
        diskWriteBytes: Math.round(seconds * 60_000),
        netReceiveBytes: Math.round(seconds * 3_000),
        netSendBytes: Math.round(seconds * 2_000),
      };
    });
}

export const vmHandlers: Pick<Handlers, Names> = {
  getVms: ({ host }) => [...host.kept.vms.values()].map((vm) => statusOf(host, vm)),
  getVm: ({ host, params }) => statusOf(host, vmOf(host, params['id'])),

  putVm: async ({ world, host, body }) => {
    const present = host.kept.vms.get(body.spec.id);
    needGeneration(body.generation, present?.generation, `The VM ${body.spec.name}`);
    await takes(world, 150);
    const missing = body.spec.nics.find(
      (nic) => !host.kept.network.networks.some((each) => each.name === nic.network && each.bridge),
    );
    if (missing !== undefined)
      throw refuse(
        'missing',
        'network.missing',
        `${host.options.name} has no bridge for ${missing.network}.`,
      );
    const vm: FakeVm = present ?? {
      spec: body.spec,
      generation: body.generation,
      power: 'off',
      state: 'off',
      reason: '',
      serial: '',
    };
    Object.assign(vm, { spec: body.spec, generation: body.generation, power: body.power });
    if (vm.state === 'off') delete vm.ha;
    host.kept.vms.set(vm.spec.id, vm);
    if (body.power === 'running' && (vm.state === 'off' || vm.state === 'crashed')) start(world, host, vm);
    else if (body.power === 'off' && vm.state === 'running')
      end(world, host, vm, shutdownMs, 'told to be off');
    else emit(host, { kind: 'vm', status: statusOf(host, vm) });
    return statusOf(host, vm);
  },

  deleteVm: async ({ world, host, params }) => {
    const vm = host.kept.vms.get(params['id'] as VmId);
    if (vm === undefined) return undefined;
    if (vm.state !== 'off' && vm.state !== 'crashed')
      throw refuse('conflict', 'vm.running', `${vm.spec.name} is ${vm.state}.`, 'Stop it first.');
    await takes(world, 100);
    host.kept.vms.delete(vm.spec.id);
    emit(host, { kind: 'vm-gone', id: vm.spec.id, reason: 'deleted' });
    return undefined;
  },

  actOnVm: async ({ world, host, params, body }) => {
    const vm = vmOf(host, params['id']);
    if (vm.state !== 'running' && vm.state !== 'stopping')
      throw refuse('conflict', 'vm.not-running', `${vm.spec.name} is ${vm.state}.`);
    await takes(world, 50);
    if (body.action === 'shutdown') {
      vm.power = 'off';
      end(world, host, vm, shutdownMs, 'Its guest shut down.', 'guest');
    } else if (body.action === 'stop') {
      vm.power = 'off';
      end(world, host, vm, 50, 'stopped');
    } else {
      vm.startedAt = world.now().toISOString();
      vm.serial += `[boot] ${vm.spec.name}, again\n`;
      become(host, vm, 'running', 'rebooted');
    }
    return statusOf(host, vm);
  },

  migrateVm: ({ world, host, params, body }) => {
    const vm = vmOf(host, params['id']);
    const target = hostById(world, body.targetHostId);
    if (vm.state !== 'running') throw refuse('conflict', 'vm.not-running', `${vm.spec.name} is ${vm.state}.`);
    if (target === undefined || !target.powered || target === host)
      throw refuse('unavailable', 'host.unreachable', 'The target host cannot be reached.');
    become(host, vm, 'migrating-out', `moves to ${target.options.name}`);
    const arrive = () => {
      host.kept.vms.delete(vm.spec.id);
      target.kept.vms.set(vm.spec.id, vm);
      become(target, vm, 'running', `came from ${host.options.name}`);
      emit(host, { kind: 'vm-gone', id: vm.spec.id, reason: `moved to ${target.options.name}` });
    };
    return startTask(world, host, 'migrate', 3_000, arrive, () => become(host, vm, 'running', 'stays here'));
  },

  getVmStatistics: ({ world, host }) => statisticsOf(world, host),
};
