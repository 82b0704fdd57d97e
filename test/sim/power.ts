import type { Machine } from './machine.ts';
import type { Scene } from './plan.ts';

const bootMs = 20_000;

/** Machines going off and on, their agents and their watchdogs. */
export class Power {
  readonly #scene: Scene;
  readonly #startAgent: (machine: Machine) => void;

  constructor(scene: Scene, startAgent: (machine: Machine) => void) {
    this.#scene = scene;
    this.#startAgent = startAgent;
  }

  boot(machine: Machine): void {
    machine.fedMs = this.#scene.clock.nowMs;
    this.#startAgent(machine);
  }

  off(machine: Machine): void {
    machine.isOn = false;
    machine.isFrozen = false;
    machine.agentIsUp = false;
    machine.libvirtHangs = false;
    machine.guests.clear();
    machine.ends.clear();
    machine.boot += 1;
  }

  on(machine: Machine): void {
    if (machine.isOn) return;
    const boot = machine.boot + 1;
    machine.boot = boot;
    this.#scene.clock.in(bootMs, () => {
      if (machine.isOn || machine.boot !== boot) return;
      machine.isOn = true;
      this.boot(machine);
    });
  }

  crashAgent(machine: Machine, backInMs: number): void {
    if (!machine.isOn || !machine.agentIsUp) return;
    machine.agentIsUp = false;
    const { boot } = machine;
    this.#scene.clock.in(backInMs, () => {
      if (machine.isOn && machine.boot === boot && !machine.agentIsUp) this.#startAgent(machine);
    });
  }

  feedOrReset(): void {
    for (const machine of this.#scene.machines) {
      if (!machine.isOn || machine.watchdogMs === undefined) continue;
      if (this.#scene.clock.nowMs - machine.fedMs < machine.watchdogMs) continue;
      this.#scene.say(`the watchdog of ${machine.name} resets it`);
      this.off(machine);
      this.on(machine);
    }
  }
}
