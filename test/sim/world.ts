import { haKeys } from '../../node/contract/ha.ts';
import type { HostId, VmId } from '../../node/contract/ids.ts';
import { decide } from '../../node/ha/decide.ts';
import { type Action, majorityOf, type Note, type Volume } from '../../node/ha/model.ts';
import type { Timings } from '../../node/ha/timings.ts';
import { makeView } from '../../node/ha/view.ts';
import { Machine } from './machine.ts';
import { EventQueue } from './queue.ts';
import type { Random } from './random.ts';
import { Store } from './store.ts';

/**
 * A cluster on a virtual clock: the real `decide` of each host, over a model of etcd, networks, bricks, VMs and watchdogs.
 * All that happens is an event in one queue; the same seed gives the same run. Each VM writes to its disk all the time,
 * and the disk remembers: a write of an earlier epoch after one of a later epoch breaks the law that all this is for.
 */
export type SimVm = { id: VmId; name: string; priority: number; memoryMiB: number; volume: string };
export type Plan = {
  hosts: readonly { id: HostId; name: string; memoryMiB: number; watchdogMs?: number; bmc?: boolean }[];
  volumes: readonly Volume[];
  vms: readonly SimVm[];
  slow: boolean;
};
export type Line = { atMs: number; text: string };

const networks = ['mgmt', 'stor'] as const;
const electionMs = 1_250;
const requestMs = 2_000;
const writeEveryMs = 100;

export class World {
  readonly machines: readonly Machine[];
  readonly store = new Store();
  readonly log: Line[] = [];
  readonly broken: string[] = [];
  nowMs = 0;
  readonly plan: Plan;
  readonly times: Timings;
  readonly #random: Random;
  readonly #queue = new EventQueue();
  readonly #disks = new Map<VmId, { epoch: number; host: HostId; atMs: number }>();
  #etcdLeader: Machine | undefined;
  #etcdReadyMs = 0;

  constructor(plan: Plan, times: Timings, random: Random) {
    this.plan = plan;
    this.times = times;
    this.#random = random;
    this.machines = plan.hosts.map(({ id, name, memoryMiB, watchdogMs, bmc }) => {
      const machine = new Machine(id, name, memoryMiB);
      machine.watchdogMs = watchdogMs;
      machine.bmc = bmc === true ? 'works' : 'none';
      return machine;
    });
    for (const vm of plan.vms)
      this.store.commit([], [{ key: haKeys.vm(vm.id), value: vmRecord(vm) }], undefined);
    for (const machine of this.machines) this.#boot(machine);
    this.#every(writeEveryMs, () => this.#writeAll());
    this.#every(100, () => this.#passTime());
  }

  machine(name: string): Machine {
    const found = this.machines.find((one) => one.name === name || one.id === name);
    if (found === undefined) throw new Error(`there is no ${name}`);
    return found;
  }

  /** Runs what is due until then. */
  runUntil(untilMs: number): void {
    for (let next = this.#queue.nextMs; next !== undefined && next <= untilMs; next = this.#queue.nextMs) {
      const event = this.#queue.take();
      if (event === undefined) break;
      this.nowMs = event.atMs;
      event.run();
    }
    this.nowMs = untilMs;
  }

  say(text: string): void {
    this.log.push({ atMs: this.nowMs, text });
  }

  // --- faults -------------------------------------------------------------------------------------------------------

  powerOff(machine: Machine): void {
    machine.isOn = false;
    machine.isFrozen = false;
    machine.agentIsUp = false;
    machine.guests.clear();
    machine.ends.clear();
    machine.boot += 1;
  }

  powerOn(machine: Machine, bootMs = 20_000): void {
    if (machine.isOn) return;
    const boot = machine.boot + 1;
    machine.boot = boot;
    this.#in(bootMs, () => {
      if (machine.isOn || machine.boot !== boot) return;
      machine.isOn = true;
      this.#boot(machine);
    });
  }

  crashAgent(machine: Machine, backInMs = 2_000): void {
    if (!machine.isOn || !machine.agentIsUp) return;
    machine.agentIsUp = false;
    const { boot } = machine;
    this.#in(backInMs, () => {
      if (machine.isOn && machine.boot === boot && !machine.agentIsUp) this.#startAgent(machine);
    });
  }

  crashVm(name: string): void {
    for (const machine of this.machines)
      for (const { vm, epoch } of machine.guests.values())
        if (this.#vm(vm).name === name) {
          machine.guests.delete(vm);
          machine.ends.set(vm, { vm, epoch, how: 'crashed', atMs: this.nowMs });
        }
  }

  /** Each VM has written to its disk in the last second, and runs at one place. */
  allRun(): boolean {
    return this.plan.vms.every(({ id }) => {
      const wrote = this.#disks.get(id);
      const places = this.machines.filter(({ guests }) => guests.has(id)).length;
      return places === 1 && wrote !== undefined && this.nowMs - wrote.atMs <= 1_000;
    });
  }

  whatRuns(): string {
    return this.plan.vms
      .map(({ id, name }) => {
        const places = this.machines.filter(({ guests }) => guests.has(id)).map((machine) => machine.name);
        return `${name} on ${places.join(' and ') || 'none'}`;
      })
      .join(', ');
  }

  // --- machines -----------------------------------------------------------------------------------------------------

  #boot(machine: Machine): void {
    machine.fedMs = this.nowMs;
    this.#startAgent(machine);
  }

  #startAgent(machine: Machine): void {
    machine.newAgent(this.nowMs);
    const { instance } = machine;
    const lives = () => machine.isOn && machine.agentIsUp && machine.instance === instance;
    const loop = (everyMs: number, run: () => void) => {
      const again = () => {
        if (!lives()) return;
        if (machine.agentWorks) run();
        this.#in(everyMs, again);
      };
      this.#in(this.#random.between(0, everyMs), again);
    };
    loop(this.times.loopMs, () => this.#tick(machine));
    loop(this.times.probeMs, () => this.#probe(machine));
    loop(this.times.leaseMs / 3, () => this.#keepAlive(machine));
  }

  #tick(machine: Machine): void {
    const { nowMs } = this;
    machine.nonce += 1;
    const used = [...machine.guests.keys()].reduce((sum, vm) => sum + this.#vm(vm).memoryMiB, 0);
    const decision = decide(
      machine.memory,
      {
        nowMs,
        self: machine.id,
        instance: machine.instance,
        nonce: `${machine.instance}-${machine.nonce}`,
        view: machine.view,
        contactMs: machine.contactMs,
        heard: machine.heard,
        vms: [...machine.guests.values()].map(({ vm, epoch, state }) => ({ vm, epoch, state })),
        ends: [...machine.ends.values()],
        barred: machine.bars,
        freeMemoryMiB: machine.memoryMiB - used,
        maintenance: false,
        watchdogMs: machine.watchdogMs,
      },
      this.times,
    );
    machine.memory = decision.memory;
    for (const action of decision.actions) this.#act(machine, action);
  }

  #note(machine: Machine, note: Note | undefined): void {
    if (note !== undefined) this.say(`${machine.name}: ${note.text}`);
  }

  /** An action takes its time; meanwhile the same one is not begun again. What a dead agent began goes on without it. */
  #act(machine: Machine, action: Action): void {
    if (action.kind === 'feed-watchdog') {
      machine.fedMs = this.nowMs;
      return;
    }
    if (action.kind === 'tell') {
      this.#note(machine, action.told);
      return;
    }
    if (machine.busy.has(action.key)) return;
    machine.busy.add(action.key);
    const { instance, boot } = machine;
    const done = () => {
      if (machine.instance === instance) machine.busy.delete(action.key);
      this.#wake(machine);
    };
    const later = (ms: number, run: () => void) => this.#onMachine(machine, boot, ms, run);
    switch (action.kind) {
      case 'write':
        this.#request(
          machine,
          () => {
            const isDone = this.store.commit(action.guards, action.writes, machine.lease);
            if (isDone) this.#note(machine, action.told);
          },
          done,
        );
        return;
      case 'start-vm':
        this.#request(
          machine,
          () => this.store.records.get(haKeys.assignment(action.vm))?.revision === action.revision,
          (isOurs, tookMs) => {
            if (isOurs !== true || tookMs > this.times.stallMs || machine.guests.has(action.vm))
              return done();
            machine.ends.delete(action.vm);
            machine.guests.set(action.vm, { vm: action.vm, epoch: action.epoch, state: 'starting' });
            later(this.#takes(60, 700), () => {
              const guest = machine.guests.get(action.vm);
              if (guest?.epoch === action.epoch && guest.state === 'starting') {
                if (machine.startsFail) {
                  machine.guests.delete(action.vm);
                  machine.ends.set(action.vm, {
                    vm: action.vm,
                    epoch: action.epoch,
                    how: 'not-started',
                    atMs: this.nowMs,
                  });
                } else {
                  guest.state = 'running';
                  this.say(`${this.#vm(action.vm).name} runs on ${machine.name} (epoch ${action.epoch})`);
                }
              }
              done();
            });
          },
        );
        return;
      case 'end-vm':
        this.#note(machine, action.told);
        later(machine.endsHang ? this.times.killMs : this.#takes(50, 300), () => {
          if (!machine.endsHang) machine.guests.delete(action.vm);
          done();
        });
        return;
      case 'bar':
        later(this.#takes(10, 40), () => {
          machine.bars.set(action.host, action.fence);
          done();
        });
        return;
      case 'unbar':
        later(this.#takes(10, 40), () => {
          machine.bars.delete(action.host);
          done();
        });
        return;
      case 'power-off':
        later(this.#takes(1_000, 3_000), () => this.#powerOffByDevice(machine, action, done));
        return;
    }
  }

  /** Off is what the device says when it is asked afterwards; then the machine is switched on again. */
  #powerOffByDevice(machine: Machine, action: Action & { kind: 'power-off' }, done: () => void): void {
    const target = this.machine(action.host);
    if (target.bmc !== 'works') {
      this.#in(2_000, done);
      return;
    }
    this.powerOff(target);
    this.powerOn(target);
    const key = haKeys.proof(action.fence, machine.id, 'power');
    const says = `The fence device of ${target.name} says that it is off.`;
    const value = { v: 1, fence: action.fence, by: machine.id, kind: 'power', says };
    this.#request(
      machine,
      () => this.store.commit([{ key, revision: 0 }], [{ key, value }], undefined),
      done,
    );
  }

  /** Mostly as long as it should, now and then much longer. */
  #takes(low: number, high: number): number {
    const ms = this.#random.between(low, high);
    return this.plan.slow && this.#random.chance(0.05) ? ms * this.#random.between(2, 60) : ms;
  }

  /** Runs in so much of the machine's own time: a machine that stands still finishes later, one that ended never. */
  #onMachine(machine: Machine, boot: number, ms: number, run: () => void): void {
    this.#in(ms, () => {
      if (!machine.isOn || machine.boot !== boot) return;
      if (machine.isFrozen) this.#onMachine(machine, boot, 50, run);
      else run();
    });
  }

  #wake(machine: Machine): void {
    if (machine.agentWorks) this.#tick(machine);
  }

  // --- the network --------------------------------------------------------------------------------------------------

  #connected(from: Machine, to: Machine, net: 'mgmt' | 'stor'): boolean {
    if (from === to) return from.works;
    return (
      from.works && to.works && from.nets[net].out && to.nets[net].in && to.nets[net].out && from.nets[net].in
    );
  }

  #probe(machine: Machine): void {
    for (const other of this.machines) {
      if (other === machine) continue;
      for (const net of networks)
        this.#in(this.#random.between(1, 20), () => {
          if (!machine.agentWorks || !this.#connected(machine, other, net)) return;
          if (other.agentIsUp && other.agentIsStopped) return;
          const hasContact =
            other.contactMs !== undefined && this.nowMs - other.contactMs < this.times.stopStartingMs;
          machine.heard.set(other.id, {
            atMs: this.nowMs,
            answer: other.agentIsUp ? 'agent' : 'refused',
            hasContact,
          });
        });
    }
  }

  // --- etcd ---------------------------------------------------------------------------------------------------------

  /** Members that reach each other with a majority; with that majority's leader. */
  #etcd(): ReadonlySet<Machine> {
    const majority = majorityOf(this.machines.length);
    const groupOf = (one: Machine) =>
      new Set(this.machines.filter((other) => this.#connected(one, other, 'mgmt')));
    const leader = this.#etcdLeader;
    if (leader?.works === true && groupOf(leader).size >= majority) return groupOf(leader);
    const next = this.machines.find((one) => one.works && groupOf(one).size >= majority);
    this.#etcdLeader = next;
    this.#etcdReadyMs = this.nowMs + electionMs;
    if (next !== undefined) this.store.prolong(this.#etcdReadyMs, this.times.leaseMs);
    return next === undefined ? new Set() : groupOf(next);
  }

  #reachesEtcd(machine: Machine): boolean {
    const group = this.#etcd();
    if (this.nowMs < this.#etcdReadyMs) return false;
    return [...group].some((member) => this.#connected(machine, member, 'mgmt'));
  }

  /** One request: applied at some moment or never, answered later or never. Tried for `requestMs`, then given up. */
  #request<T>(machine: Machine, apply: () => T, then: (answer: T | undefined, tookMs: number) => void): void {
    const { instance } = machine;
    const sentMs = this.nowMs;
    const alive = () => machine.isOn && machine.agentIsUp && machine.instance === instance;
    const answer = (value: T | undefined, ms: number) =>
      this.#in(ms, () => {
        if (!alive()) return;
        if (machine.agentWorks) then(value, this.nowMs - sentMs);
        else answer(value, 50);
      });
    const attempt = () => {
      if (this.nowMs - sentMs > requestMs) return answer(undefined, 0);
      // What a dead agent sent a moment ago may still arrive.
      if (!machine.works || !this.#reachesEtcd(machine)) {
        if (!alive()) return;
        this.#in(100, attempt);
        return;
      }
      const value = apply();
      this.#changed();
      // now and then the answer is lost, though the request was not
      if (this.#random.chance(0.01)) return answer(undefined, requestMs);
      answer(value, this.#random.between(1, 8));
    };
    this.#in(this.#random.between(1, 8), attempt);
  }

  #keepAlive(machine: Machine): void {
    if (machine.busy.has('lease')) return;
    machine.busy.add('lease');
    const sentMs = this.nowMs;
    const { instance } = machine;
    this.#request(
      machine,
      () => {
        const until = this.nowMs + this.times.leaseMs;
        if (machine.lease !== undefined && this.store.keepAlive(machine.lease, until)) return machine.lease;
        return this.store.grant(machine.id, until);
      },
      (lease) => {
        if (machine.instance !== instance) return;
        machine.busy.delete('lease');
        if (lease === undefined) return;
        machine.lease = lease;
        machine.contactMs = sentMs;
        this.#bringView(machine);
      },
    );
  }

  /** Watches bring each change to each agent that reaches etcd, a moment later. */
  #changed(): void {
    for (const machine of this.machines)
      this.#in(this.#random.between(1, 30), () => {
        if (machine.agentWorks && machine.contactMs !== undefined && this.#reachesEtcd(machine))
          this.#bringView(machine);
      });
  }

  #bringView(machine: Machine): void {
    if (machine.view !== undefined && machine.viewRevision === this.store.revision) return;
    const layout = {
      members: this.plan.hosts.map(({ id, name, memoryMiB }) => ({ id, name, memoryMiB })),
      volumes: this.plan.volumes,
    };
    machine.view = makeView(layout, this.store.records);
    machine.viewRevision = this.store.revision;
    this.#wake(machine);
  }

  // --- time and disks -----------------------------------------------------------------------------------------------

  #passTime(): void {
    const group = this.#etcd();
    if (group.size > 0 && this.nowMs >= this.#etcdReadyMs && this.store.expire(this.nowMs)) this.#changed();
    for (const machine of this.machines) {
      if (!machine.isOn || machine.watchdogMs === undefined) continue;
      if (this.nowMs - machine.fedMs < machine.watchdogMs) continue;
      this.say(`the watchdog of ${machine.name} resets it`);
      this.powerOff(machine);
      this.powerOn(machine);
    }
  }

  #writeAll(): void {
    for (const machine of this.machines) {
      if (!machine.works) continue;
      for (const { vm, epoch, state } of machine.guests.values())
        if (state === 'running' || state === 'ending') this.#write(machine, vm, epoch);
    }
  }

  #write(machine: Machine, vm: VmId, epoch: number): void {
    const volume = this.plan.volumes.find(({ name }) => name === this.#vm(vm).volume);
    if (volume === undefined) return;
    const lands = volume.replicaSets.every((bricks) => {
      const reached = bricks.filter((id) => this.#reachesBrick(machine, this.machine(id))).length;
      return reached >= majorityOf(bricks.length);
    });
    if (!lands) return;
    const disk = this.#disks.get(vm);
    if (disk !== undefined && (epoch < disk.epoch || (epoch === disk.epoch && machine.id !== disk.host)))
      this.broken.push(
        `${this.nowMs} ms: ${this.#vm(vm).name} was written by ${machine.name} in epoch ${epoch} after ${this.machine(disk.host).name} in epoch ${disk.epoch}`,
      );
    else this.#disks.set(vm, { epoch, host: machine.id, atMs: this.nowMs });
  }

  #reachesBrick(machine: Machine, other: Machine): boolean {
    if (!other.works || !other.brickIsUp) return false;
    if (machine === other) return true;
    return this.#connected(machine, other, 'stor') && !other.bars.has(machine.id);
  }

  #vm(id: VmId): SimVm {
    const vm = this.plan.vms.find((one) => one.id === id);
    if (vm === undefined) throw new Error(`there is no VM ${id}`);
    return vm;
  }

  #in(ms: number, run: () => void): void {
    this.#queue.add(this.nowMs + ms, run);
  }

  at(atMs: number, run: () => void): void {
    this.#queue.add(atMs, run);
  }

  #every(ms: number, run: () => void): void {
    this.#in(ms, () => {
      run();
      this.#every(ms, run);
    });
  }
}

const vmRecord = (vm: SimVm) => ({
  v: 1,
  id: vm.id,
  name: vm.name,
  generation: 1,
  wanted: 'running',
  priority: vm.priority,
  memoryMiB: vm.memoryMiB,
  volumes: [vm.volume],
});
