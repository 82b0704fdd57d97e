import { haKeys } from '../../node/contract/ha.ts';
import type { VmId } from '../../node/contract/ids.ts';
import { decide } from '../../node/ha/decide.ts';
import type { Timings } from '../../node/ha/timings.ts';
import { Agents, type Decide } from './agents.ts';
import { SimClock } from './clock.ts';
import { Disks } from './disks.ts';
import { Etcd } from './etcd.ts';
import { Machine } from './machine.ts';
import { Moves } from './moves.ts';
import { type Line, type Plan, type Scene, type SimVm, vmRecord } from './plan.ts';
import { Power } from './power.ts';
import type { Random } from './random.ts';

/**
 * A cluster on a virtual clock: the real `decide` of each host, over a model of etcd, networks, bricks, VMs and watchdogs.
 * All that happens is an event in one queue; the same seed gives the same run.
 */
const lookEveryMs = 100;

export class World implements Scene {
  readonly clock = new SimClock();
  readonly machines: readonly Machine[];
  readonly log: Line[] = [];
  readonly broken: string[] = [];
  engineIsCut = false;
  readonly plan: Plan;
  readonly times: Timings;
  readonly random: Random;
  readonly etcd: Etcd;
  readonly power: Power;
  readonly agents: Agents;
  readonly disks: Disks;
  readonly moves: Moves;
  /** records that were made unreadable, as they were */
  readonly spoiled = new Map<string, unknown>();
  readonly #vms: ReadonlyMap<VmId, SimVm>;
  readonly #named = new Map<string, Machine>();

  constructor(plan: Plan, times: Timings, random: Random, decideWith: Decide = decide) {
    this.plan = plan;
    this.times = times;
    this.random = random;
    this.#vms = new Map(plan.vms.map((vm) => [vm.id, vm]));
    this.machines = plan.hosts.map(({ id, name, memoryMiB, rate, watchdogMs, bmc }) => {
      const machine = new Machine(id, name, memoryMiB, rate);
      machine.watchdogMs = watchdogMs;
      machine.bmc = bmc ? 'works' : 'none';
      this.#named.set(name, machine).set(id, machine);
      return machine;
    });
    this.disks = new Disks(this);
    this.etcd = new Etcd(this, {
      wake: (machine) => this.agents.wake(machine),
      moved: ({ vm, epoch, host, movingTo }, after) => {
        if (after.epoch === epoch && after.host === movingTo) this.disks.passes(vm, epoch, host, after.host);
      },
    });
    this.power = new Power(this, (machine) => this.agents.start(machine));
    this.agents = new Agents(this, this.etcd, this.power, decideWith);
    this.moves = new Moves(this, this.etcd, this.disks);
    for (const vm of plan.vms) this.etcd.put(haKeys.vm(vm.id), vmRecord(vm));
    for (const machine of this.machines) this.power.boot(machine);
    this.clock.every(lookEveryMs, () => {
      this.disks.writeAll();
      this.etcd.passTime();
      this.power.feedOrReset();
    });
  }

  get nowMs(): number {
    return this.clock.nowMs;
  }

  say(text: string): void {
    this.log.push({ atMs: this.nowMs, text });
  }

  breaks(text: string): void {
    this.broken.push(`${this.nowMs} ms: ${text}`);
  }

  machine(idOrName: string): Machine {
    const found = this.#named.get(idOrName);
    if (found === undefined) throw new Error(`there is no ${idOrName}`);
    return found;
  }

  /** From now on a machine has this name too. */
  nameMachine(name: string, machine: Machine): void {
    this.#named.set(name, machine);
  }

  vm(id: VmId): SimVm {
    const vm = this.#vms.get(id);
    if (vm === undefined) throw new Error(`there is no VM ${id}`);
    return vm;
  }

  vmNamed(name: string): SimVm | undefined {
    return this.plan.vms.find((one) => one.name === name);
  }

  takes(low: number, high: number): number {
    const ms = this.random.between(low, high);
    return this.plan.slow && this.random.chance(0.05) ? ms * this.random.between(2, 60) : ms;
  }

  onMachine(machine: Machine, ms: number, run: () => void): void {
    const { boot } = machine;
    const again = () => {
      if (!machine.isOn || machine.boot !== boot) return;
      if (machine.isFrozen) this.clock.in(50, again);
      else run();
    };
    this.clock.in(ms, again);
  }

  placesOf(vm: VmId): Machine[] {
    return this.machines.filter(({ guests }) => guests.has(vm));
  }

  /** It has written to its disk in the last second, and runs at one place. */
  runs(vm: VmId): boolean {
    const wroteMs = this.disks.wroteMs(vm);
    return this.placesOf(vm).length === 1 && wroteMs !== undefined && this.nowMs - wroteMs <= 1_000;
  }

  allRun(): boolean {
    return this.plan.vms.every(({ id }) => this.runs(id));
  }

  whatRuns(): string {
    return this.plan.vms
      .map(
        ({ id, name }) =>
          `${name} on ${
            this.placesOf(id)
              .map((one) => one.name)
              .join(' and ') || 'none'
          }`,
      )
      .join(', ');
  }
}
