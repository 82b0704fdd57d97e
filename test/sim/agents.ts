import { haKeys } from '../../node/contract/ha.ts';
import type { decide } from '../../node/ha/decide.ts';
import type { Action, Note, Observation } from '../../node/ha/model.ts';
import { engineSigns, lives } from './engine.ts';
import type { Etcd } from './etcd.ts';
import type { Guest, Machine } from './machine.ts';
import { probe } from './network.ts';
import type { Scene } from './plan.ts';
import type { Power } from './power.ts';

export type Decide = typeof decide;

/** The agents: their loops, what they see, and what becomes of what `decide` wants. */
export class Agents {
  readonly #scene: Scene;
  readonly #etcd: Etcd;
  readonly #power: Power;
  readonly #decide: Decide;

  constructor(scene: Scene, etcd: Etcd, power: Power, decideWith: Decide) {
    this.#scene = scene;
    this.#etcd = etcd;
    this.#power = power;
    this.#decide = decideWith;
  }

  start(machine: Machine): void {
    const { clock, times, random } = this.#scene;
    machine.newAgent(clock.nowMs);
    const { instance } = machine;
    const lives = () => machine.isOn && machine.agentIsUp && machine.instance === instance;
    const loop = (everyMs: number, run: () => void) => {
      const again = () => {
        if (!lives()) return;
        if (machine.agentWorks) run();
        clock.in(Math.round(everyMs / machine.rate), again);
      };
      clock.in(random.between(0, everyMs), again);
    };
    loop(times.loopMs, () => this.#tick(machine));
    loop(times.probeMs, () => probe(this.#scene, machine));
    loop(times.leaseMs / 3, () => this.#etcd.keepAlive(machine));
  }

  wake(machine: Machine): void {
    if (machine.agentWorks) this.#tick(machine);
  }

  #tick(machine: Machine): void {
    machine.nonce += 1;
    // A clock on the wall that is wrong must change nothing: whoever asks it here gets the wrong time.
    const realNow = Date.now;
    Date.now = () => 1_800_000_000_000 + this.#scene.clock.nowMs + machine.wallOffMs;
    try {
      const decision = this.#decide(machine.memory, this.#observe(machine), this.#scene.times);
      machine.memory = decision.memory;
      for (const action of decision.actions) this.#act(machine, action);
    } finally {
      Date.now = realNow;
    }
  }

  #observe(machine: Machine): Observation {
    const { clock } = this.#scene;
    let used = 0;
    for (const vm of machine.guests.keys()) used += this.#scene.vm(vm).memoryMiB;
    return {
      nowMs: clock.nowMs * machine.rate,
      self: machine.id,
      instance: machine.instance,
      nonce: `${machine.instance}-${machine.nonce}`,
      view: machine.view,
      contactMs: machine.contactMs === undefined ? undefined : machine.contactMs * machine.rate,
      heard: machine.heard,
      vms: machine.libvirtHangs
        ? undefined
        : [...machine.guests.values()].map(({ startedMs: _, engine: __, ...guest }) => guest),
      ends: [...machine.ends.values()],
      barred: machine.bars,
      freeMemoryMiB: machine.memoryMiB - used,
      maintenance: machine.view?.maintenance.has(machine.id) ?? false,
      watchdogMs: machine.watchdogMs,
      engine: engineSigns(this.#scene, machine),
    };
  }

  #note(machine: Machine, note: Note | undefined): void {
    if (note !== undefined) this.#scene.say(`${machine.name}: ${note.text}`);
  }

  /** An action takes its time; meanwhile the same one is not begun again. What a dead agent began goes on without it. */
  #act(machine: Machine, action: Action): void {
    if (action.kind === 'feed-watchdog') {
      machine.fedMs = this.#scene.clock.nowMs;
      return;
    }
    if (action.kind === 'tell') {
      this.#note(machine, action.told);
      return;
    }
    if (machine.busy.has(action.key)) return;
    machine.busy.add(action.key);
    const { instance } = machine;
    const done = () => {
      if (machine.instance === instance) machine.busy.delete(action.key);
      this.wake(machine);
    };
    const later = (ms: number, run: () => void) => this.#scene.onMachine(machine, ms, run);
    const takes = (low: number, high: number) => this.#scene.takes(low, high) + machine.diskDelayMs;
    switch (action.kind) {
      case 'write':
        this.#etcd.request(
          machine,
          () => {
            const isDone = this.#etcd.commit(machine, action.guards, action.writes, machine.lease);
            if (isDone) this.#note(machine, action.told);
            return this.#etcd.store.revision;
          },
          (revision) => this.#whenSeen(machine, revision, done),
        );
        return;
      case 'start-vm':
        this.#etcd.request(
          machine,
          () => this.#etcd.assignment(action.vm)?.revision === action.revision,
          (isOurs, tookMs) => {
            if (isOurs !== true || tookMs * machine.rate > this.#scene.times.stallMs) return done();
            this.#startVm(machine, action, takes(60, 700), done);
          },
        );
        return;
      case 'end-vm':
        this.#note(machine, action.told);
        if (
          /^The engine (stands still|is not there|has)/.test(action.told?.text ?? '') &&
          lives(machine, action.vm)
        )
          this.#scene.breaks(`${machine.name} ended an engine that lives`);
        later(machine.endsHang ? this.#scene.times.killMs : takes(50, 300), () => {
          if (!machine.endsHang && !machine.libvirtHangs && machine.guests.delete(action.vm))
            this.#scene.say(`${this.#scene.vm(action.vm).name} has ended on ${machine.name}`);
          done();
        });
        return;
      case 'bar':
        later(takes(10, 40), () => {
          machine.bars.set(action.host, action.fence);
          done();
        });
        return;
      case 'unbar':
        later(takes(10, 40), () => {
          machine.bars.delete(action.host);
          done();
        });
        return;
      case 'power-off':
        later(takes(1_000, 3_000), () => this.#powerOffByDevice(machine, action, done));
        return;
    }
  }

  /** What was written is wanted again until the view shows it: so the same action waits for that, but not for long. */
  #whenSeen(machine: Machine, revision: number | undefined, done: () => void, tries = 25): void {
    if (revision === undefined || machine.viewRevision >= revision || tries === 0) done();
    else this.#scene.clock.in(20, () => this.#whenSeen(machine, revision, done, tries - 1));
  }

  #startVm(machine: Machine, action: Action & { kind: 'start-vm' }, ms: number, done: () => void): void {
    const { vm, epoch } = action;
    if (machine.guests.has(vm) || machine.libvirtHangs) {
      this.#scene.onMachine(machine, ms, done);
      return;
    }
    const { name, memoryMiB } = this.#scene.vm(vm);
    let used = memoryMiB;
    for (const other of machine.guests.keys()) used += this.#scene.vm(other).memoryMiB;
    if (used > machine.memoryMiB) this.#scene.breaks(`${machine.name} has no memory for ${name}`);
    machine.ends.delete(vm);
    const guest: Guest = { vm, epoch, state: 'starting' };
    machine.guests.set(vm, guest);
    this.#scene.onMachine(machine, ms, () => {
      if (machine.guests.get(vm) === guest && guest.state === 'starting') {
        if (machine.startsFail) {
          machine.guests.delete(vm);
          const atMs = this.#scene.clock.nowMs * machine.rate;
          machine.ends.set(vm, { vm, epoch, how: 'not-started', atMs });
          this.#scene.say(`${name} does not start on ${machine.name}`);
        } else {
          guest.state = 'running';
          guest.startedMs = this.#scene.clock.nowMs;
          this.#scene.say(`${name} runs on ${machine.name} (epoch ${epoch})`);
        }
      }
      done();
    });
  }

  /** Off is what the device says when it is asked afterwards; then the machine is switched on again. */
  #powerOffByDevice(machine: Machine, action: Action & { kind: 'power-off' }, done: () => void): void {
    const { clock } = this.#scene;
    const target = this.#scene.machine(action.host);
    if (target.bmc === 'none' || target.bmc === 'dead' || target.bmc === 'lies') {
      clock.in(2_000, done);
      return;
    }
    clock.in(target.bmc === 'slow' ? 30_000 : 0, () => {
      this.#scene.say(`the fence device of ${target.name} switches it off`);
      this.#power.off(target);
      this.#power.on(target);
      const key = haKeys.proof(action.fence, machine.id, 'power');
      const says = `The fence device of ${target.name} says that it is off.`;
      const value = { v: 1, fence: action.fence, by: machine.id, kind: 'power', says };
      this.#etcd.request(
        machine,
        () => {
          this.#etcd.commit(machine, [{ key, revision: 0 }], [{ key, value }]);
          return this.#etcd.store.revision;
        },
        (revision) => this.#whenSeen(machine, revision, done),
      );
    });
  }
}
