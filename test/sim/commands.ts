import { haKeys } from '../../node/contract/ha.ts';
import { hurtEngine } from './engine.ts';
import type { Machine } from './machine.ts';
import { vmRecord } from './plan.ts';
import type { Command, SimpleCommand } from './scenario.ts';
import type { World } from './world.ts';

/** What each command of a scenario does to the world. */
export function carryOut(world: World, command: Command): void {
  const resolved = resolve(world, command);
  const { do: what, ...rest } = resolved;
  const words = Object.entries(rest)
    .filter(([name, value]) => name !== 'as' && value !== undefined && value !== false)
    .map(([name, value]) => (name === 'host' || name === 'vm' ? value : `${name}=${value}`));
  world.say(['---', what, ...words].join(' '));
  if ('host' in resolved) carryOutOn(world, world.machine(resolved.host), resolved);
  else if ('vm' in resolved) carryOutVm(world, resolved);
  else if ('record' in resolved) spoil(world, resolved);
  else
    switch (resolved.do) {
      case 'all-off':
        for (const one of world.machines) world.power.off(one);
        return;
      case 'all-on':
        for (const one of world.machines) world.power.on(one);
        return;
      case 'disarm':
        disarm(world, resolved.forMs);
        return;
      case 'arm':
        world.etcd.remove(haKeys.disarmed);
        return;
      case 'etcd-down':
        world.etcd.goDown();
        return;
      case 'etcd-up':
        world.etcd.comeUp();
        return;
      case 'cut-engine':
      case 'mend-engine':
        world.engineIsCut = resolved.do === 'cut-engine';
        return;
      case 'hang-engine':
      case 'end-engine':
        hurtEngine(world, resolved.do === 'hang-engine' ? 'still' : 'gone', resolved.backInMs);
        return;
    }
}

/** As the engine does it: not while a host is being fenced. */
function disarm(world: World, leftMs: number): void {
  if (world.machines.some(({ id }) => world.etcd.store.records.has(haKeys.fence(id)))) return;
  world.etcd.put(haKeys.disarmed, { v: 1, leftMs, by: 'Ada', reason: '' });
}

/**
 * Hosts by what they are at that moment: `leader`, `etcd-leader`, `of-vm1`, or by a name that an earlier command gave with
 * `as`. `other`, `another`: the first and the second one of the others, in order.
 */
function resolve(world: World, command: Command): Command {
  if ('record' in command) return command;
  const named = { ...command };
  if ('host' in named) {
    const machine = findHost(world, named.host);
    if (named.as !== undefined) world.nameMachine(named.as, machine);
    named.host = machine.name;
  }
  if ('to' in named) named.to = findHost(world, named.to).name;
  if ('from' in named) named.from = findHost(world, named.from).name;
  return named;
}

function findHost(world: World, name: string): Machine {
  const leader = world.etcd.store.records.get(haKeys.leader)?.value;
  if (name === 'leader' && leader?.kind === 'leader') return world.machine(leader.value.host);
  if (name === 'etcd-leader' && world.etcd.leader !== undefined) return world.etcd.leader;
  const vm = /^(not-)?of-(vm\d+)$/.exec(name);
  const of = vm === null ? undefined : world.vmNamed(vm[2] ?? '');
  if (vm === null || of === undefined) return world.machine(name);
  const places = world.placesOf(of.id);
  const found =
    vm[1] === undefined ? places[0] : world.machines.find((one) => one.works && !places.includes(one));
  if (found === undefined) throw new Error(`${world.nowMs} ms: no host is ${name}`);
  return found;
}

const cut = (
  machine: Machine,
  isThrough: boolean,
  only: { net?: string | undefined; direction?: string | undefined },
) => {
  for (const name of ['mgmt', 'stor'] as const)
    for (const way of ['in', 'out'] as const)
      if ((only.net ?? name) === name && (only.direction ?? way) === way) machine.nets[name][way] = isThrough;
};

function flap(
  world: World,
  machine: Machine,
  { net, downMs, upMs, times }: Extract<Command, { do: 'flap' }>,
): void {
  if (times === 0) return;
  cut(machine, false, { net });
  world.clock.in(downMs, () => {
    cut(machine, true, { net });
    world.clock.in(upMs, () =>
      flap(world, machine, { do: 'flap', host: '', net, downMs, upMs, times: times - 1 }),
    );
  });
}

function carryOutOn(world: World, machine: Machine, command: Extract<Command, { host: string }>): void {
  switch (command.do) {
    case 'cut':
    case 'mend':
      if ('net' in command || 'direction' in command) cut(machine, command.do === 'mend', command);
      else cut(machine, command.do === 'mend', {});
      return;
    case 'sever':
    case 'join': {
      if (!('from' in command)) return;
      const other = world.machine(command.from);
      if (command.do === 'sever') machine.severed.add(other.id);
      else {
        machine.severed.delete(other.id);
        other.severed.delete(machine.id);
      }
      return;
    }
    case 'flap':
      if ('times' in command) flap(world, machine, command);
      return;
    case 'crash-agent':
      if ('backInMs' in command) world.power.crashAgent(machine, command.backInMs);
      return;
    case 'slow-disk':
      if ('byMs' in command) machine.diskDelayMs = command.byMs;
      return;
    case 'jump-clock':
      if ('byMs' in command) machine.wallOffMs += command.byMs;
      return;
    case 'leftover':
      if ('vm' in command) leaveOver(world, machine, command.vm, command.epoch);
      return;
    default:
      simple[command.do](machine, world);
  }
}

const simple: Record<SimpleCommand, (machine: Machine, world: World) => void> = {
  'power-off': (machine, world) => world.power.off(machine),
  'power-on': (machine, world) => world.power.on(machine),
  freeze: (machine) => {
    machine.isFrozen = machine.isOn;
  },
  thaw: (machine) => {
    machine.isFrozen = false;
  },
  'stop-agent': (machine) => {
    machine.agentIsStopped = true;
  },
  'go-on-agent': (machine) => {
    machine.agentIsStopped = false;
  },
  'brick-down': (machine) => {
    machine.brickIsUp = false;
  },
  'brick-up': (machine) => {
    machine.brickIsUp = true;
  },
  'etcd-stop': (machine) => {
    machine.etcdIsUp = false;
  },
  'etcd-start': (machine) => {
    machine.etcdIsUp = true;
  },
  'hang-ends': (machine) => {
    machine.endsHang = true;
  },
  'fail-starts': (machine) => {
    machine.startsFail = true;
  },
  'hang-libvirt': (machine) => {
    machine.libvirtHangs = machine.isOn;
  },
  'kill-bmc': (machine) => setBmc(machine, 'dead'),
  'lie-bmc': (machine) => setBmc(machine, 'lies'),
  'slow-bmc': (machine) => setBmc(machine, 'slow'),
  'disarm-watchdog': (machine) => {
    machine.watchdogMs = undefined;
  },
  maintenance: (machine, world) => {
    const since = '2026-01-01T00:00:00.000Z';
    world.etcd.put(haKeys.maintenance(machine.id), { v: 1, host: machine.id, by: 'Ada', since, reason: '' });
  },
  'end-maintenance': (machine, world) => {
    world.etcd.remove(haKeys.maintenance(machine.id));
  },
  'confirm-off': (machine, world) => confirmOff(world, machine),
  'work-again': (machine, world) => {
    setBmc(machine, 'works');
    machine.endsHang = false;
    machine.startsFail = false;
    machine.libvirtHangs = false;
    machine.diskDelayMs = 0;
    machine.etcdIsUp = true;
    machine.severed.clear();
    world.etcd.remove(haKeys.maintenance(machine.id));
  },
};

const setBmc = (machine: Machine, how: Machine['bmc']) => {
  if (machine.bmc !== 'none') machine.bmc = how;
};

/** A person has looked: the proof is written for the fence that there is, and only when the host is off. */
function confirmOff(world: World, machine: Machine): void {
  const fence = world.etcd.store.records.get(haKeys.fence(machine.id))?.value;
  if (fence?.kind !== 'fence' || machine.isOn) return;
  const by = world.machines.find((one) => one !== machine)?.id;
  const value = { v: 1, fence: fence.value.id, by, kind: 'person', says: 'Ada says that it is off.' };
  world.etcd.put(haKeys.proof(fence.value.id, by ?? '', 'person'), value);
}

/** A VM of an earlier time that stands still here: an image that was restored, or libvirt's own guests. */
function leaveOver(world: World, machine: Machine, name: string, epoch: number): void {
  const vm = world.vmNamed(name);
  if (vm === undefined || !machine.isOn || machine.guests.has(vm.id)) return;
  machine.guests.set(vm.id, { vm: vm.id, epoch, state: 'paused' });
}

function carryOutVm(world: World, command: Extract<Command, { vm: string }>): void {
  const vm = world.vmNamed(command.vm);
  if (vm === undefined) return;
  if ('to' in command) {
    const { takesMs, orderMs, cancelMs, answerIsLost } = command;
    const order = { takesMs, orderMs: orderMs ?? undefined, cancelMs, answerIsLost };
    world.moves.order(vm, world.machine(command.to), order);
    return;
  }
  switch (command.do) {
    case 'crash-vm':
    case 'shut-down-guest':
      for (const machine of world.placesOf(vm.id)) {
        const guest = machine.guests.get(vm.id);
        if (guest === undefined || guest.incoming === true || !machine.works) continue;
        machine.guests.delete(vm.id);
        const how = command.do === 'crash-vm' ? 'crashed' : 'guest';
        machine.ends.set(vm.id, { vm: vm.id, epoch: guest.epoch, how, atMs: world.nowMs * machine.rate });
        world.agents.wake(machine);
      }
      return;
    case 'stop-vm':
    case 'start-vm': {
      const record = world.etcd.store.records.get(haKeys.vm(vm.id))?.value;
      const generation = record?.kind === 'vm' ? record.value.generation + 1 : 1;
      const wanted = command.do === 'stop-vm' ? 'stopped' : 'running';
      world.etcd.put(haKeys.vm(vm.id), vmRecord(vm, wanted, generation));
      return;
    }
    case 'delete-vm':
      world.etcd.store.write([{ key: haKeys.vm(vm.id), remove: true }], undefined);
      world.etcd.changed();
      return;
  }
}

/** `assignment vm1`, `vm vm1`, `fence host1`, `report host1`, `leader`: what is there is made unreadable, and readable again. */
function spoil(world: World, command: Extract<Command, { record: string }>): void {
  const [kind = '', name = ''] = command.record.split(' ');
  const vm = world.vmNamed(name)?.id ?? '';
  const host = kind === 'fence' || kind === 'report' ? findHost(world, name).id : '';
  const keys: Record<string, string> = {
    assignment: haKeys.assignment(vm),
    vm: haKeys.vm(vm),
    fence: haKeys.fence(host),
    report: haKeys.report(host),
    leader: haKeys.leader,
  };
  const key = keys[kind];
  if (key === undefined) throw new Error(`nobody keeps a ${kind}`);
  const record = world.etcd.store.records.get(key)?.value;
  if (record === undefined) return;
  if (command.do === 'repair') {
    const before = world.spoiled.get(key);
    if (before !== undefined && record.kind === 'corrupt') world.etcd.put(key, before);
    return;
  }
  if (record.kind === 'corrupt') return;
  world.spoiled.set(key, record.value);
  world.etcd.put(key, command.do === 'newer' ? { ...record.value, v: 2 } : 'nonsense');
}
