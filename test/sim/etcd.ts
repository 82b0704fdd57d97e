import { type HaAssignment, haKeys } from '../../node/contract/ha.ts';
import { type Guard, majorityOf, type View, type Write } from '../../node/ha/model.ts';
import { makeView, readRecord } from '../../node/ha/view.ts';
import { judge } from './laws.ts';
import type { Machine } from './machine.ts';
import { connected } from './network.ts';
import type { Scene } from './plan.ts';
import { Store } from './store.ts';

const electionMs = 1_250;
const requestMs = 2_000;

/** etcd as its clients see it: a majority of members with a leader, requests that may be lost, leases, watches. */
export class Etcd {
  readonly store = new Store();
  /** refuses everything, to everybody: a full disk */
  isDown = false;
  readonly #scene: Scene;
  readonly #wake: (machine: Machine) => void;
  readonly #moved: (before: HaAssignment, after: HaAssignment) => void;
  #leader: Machine | undefined;
  #readyMs = 0;
  #view: { revision: number; view: View } | undefined;

  constructor(
    scene: Scene,
    hears: { wake: (machine: Machine) => void; moved: (before: HaAssignment, after: HaAssignment) => void },
  ) {
    this.#scene = scene;
    this.#wake = hears.wake;
    this.#moved = hears.moved;
  }

  get leader(): Machine | undefined {
    return this.#leader;
  }

  /** The members that this one reaches; undefined: fewer than a majority. */
  #groupOf(one: Machine): Machine[] | undefined {
    if (!one.works || !one.etcdIsUp) return undefined;
    const group = this.#scene.machines.filter((other) => other.etcdIsUp && connected(one, other, 'mgmt'));
    return group.length >= majorityOf(this.#scene.machines.length) ? group : undefined;
  }

  /** Members that reach each other with a majority; with that majority's leader. */
  #group(): readonly Machine[] {
    if (this.isDown) return [];
    const leader = this.#leader;
    const group = leader === undefined ? undefined : this.#groupOf(leader);
    if (group !== undefined) return group;
    const next = this.#scene.machines.find((one) => this.#groupOf(one) !== undefined);
    this.#leader = next;
    this.#readyMs = this.#scene.clock.nowMs + electionMs;
    if (next === undefined) return [];
    this.store.prolong(this.#readyMs, this.#scene.times.leaseMs);
    return this.#groupOf(next) ?? [];
  }

  goDown(): void {
    this.isDown = true;
  }

  /** Its leases get their whole time again, as after each election. */
  comeUp(): void {
    this.isDown = false;
    this.#leader = undefined;
  }

  reaches(machine: Machine): boolean {
    const group = this.#group();
    if (this.#scene.clock.nowMs < this.#readyMs) return false;
    return group.some((member) => connected(machine, member, 'mgmt'));
  }

  /** By an agent, or by a program on that machine. False: a guard does not hold any more. */
  commit(by: Machine, guards: readonly Guard[], writes: readonly Write[], lease?: number): boolean {
    if (!this.store.holds(guards, writes, lease)) return false;
    judge(this.#scene, this.store.records, writes, by);
    for (const write of writes) {
      const before = this.store.records.get(write.key)?.value;
      if ('remove' in write || before?.kind !== 'assignment') continue;
      this.#moved(before.value, write.value as HaAssignment);
    }
    this.store.write(writes, lease);
    this.changed();
    return true;
  }

  /** Beside all rules: by the engine, or by a fault. */
  put(key: string, value: unknown): void {
    const kept = this.store.records.get(key);
    const record = readRecord(key, value);
    if (record === undefined) throw new Error(`nothing is kept at ${key}`);
    this.store.put(key, record, kept?.lease);
    this.changed();
  }

  remove(key: string): void {
    if (!this.store.records.has(key)) return;
    this.store.write([{ key, remove: true }], undefined);
    this.changed();
  }

  /** One request: applied at some moment or never, answered later or never. Tried for `requestMs`, then given up. */
  request<T>(machine: Machine, apply: () => T, then: (answer: T | undefined, tookMs: number) => void): void {
    const { clock, random } = this.#scene;
    const { instance } = machine;
    const sentMs = clock.nowMs;
    const alive = () => machine.isOn && machine.agentIsUp && machine.instance === instance;
    const answer = (value: T | undefined, ms: number) =>
      clock.in(ms, () => {
        if (!alive()) return;
        if (machine.agentWorks) then(value, clock.nowMs - sentMs);
        else answer(value, 50);
      });
    // In the hands of a slow member it comes late, however little patience its sender has.
    const patienceMs = requestMs + machine.diskDelayMs;
    const attempt = () => {
      if (clock.nowMs - sentMs > patienceMs) return answer(undefined, 0);
      // What a dead agent sent a moment ago may still arrive.
      if (!machine.works || !this.reaches(machine)) {
        if (!alive()) return;
        clock.in(100, attempt);
        return;
      }
      const value = apply();
      // now and then the answer is lost, though the request was not
      if (random.chance(0.01)) return answer(undefined, requestMs);
      answer(value, random.between(1, 8) + (this.#leader?.diskDelayMs ?? 0));
    };
    clock.in(random.between(1, 8) + machine.diskDelayMs, attempt);
  }

  keepAlive(machine: Machine): void {
    if (machine.busy.has('lease')) return;
    machine.busy.add('lease');
    const { clock, times } = this.#scene;
    const sentMs = clock.nowMs;
    const { instance } = machine;
    this.request(
      machine,
      () => {
        const until = clock.nowMs + times.leaseMs;
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
  changed(): void {
    const { clock, machines, random } = this.#scene;
    for (const machine of machines)
      clock.in(random.between(1, 30), () => {
        if (machine.viewRevision === this.store.revision) return;
        if (machine.agentWorks && machine.contactMs !== undefined && this.reaches(machine))
          this.#bringView(machine);
      });
  }

  passTime(): void {
    const group = this.#group();
    const { nowMs } = this.#scene.clock;
    if (group.length > 0 && nowMs >= this.#readyMs && this.store.expire(nowMs)) this.changed();
  }

  #bringView(machine: Machine): void {
    const { revision } = this.store;
    if (machine.view !== undefined && machine.viewRevision === revision) return;
    if (this.#view?.revision !== revision) {
      const { hosts, volumes } = this.#scene.plan;
      const members = hosts.map(({ id, name, memoryMiB }) => ({ id, name, memoryMiB }));
      this.#view = { revision, view: makeView({ members, volumes }, this.store.records) };
    }
    machine.view = this.#view.view;
    machine.viewRevision = revision;
    this.#wake(machine);
  }

  assignment(vm: string): { value: HaAssignment; revision: number } | undefined {
    const kept = this.store.records.get(haKeys.assignment(vm));
    return kept?.value.kind === 'assignment'
      ? { value: kept.value.value, revision: kept.revision }
      : undefined;
  }
}
