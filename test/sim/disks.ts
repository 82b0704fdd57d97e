import type { HostId, VmId } from '../../node/contract/ids.ts';
import { majorityOf } from '../../node/ha/model.ts';
import type { Machine } from './machine.ts';
import { connected } from './network.ts';
import type { Scene } from './plan.ts';

/**
 * Each VM writes to its disk all the time, and the disk remembers who may. The law that all this is for: nothing is written
 * in an earlier epoch after one of a later epoch, and within one epoch by one host alone, unless a live migration brings
 * the VM to another.
 */
export class Disks {
  readonly #scene: Scene;
  readonly #disks = new Map<VmId, { epoch: number; host: HostId; atMs: number; next?: HostId }>();

  constructor(scene: Scene) {
    this.#scene = scene;
  }

  #longestMs = 0;

  /** The longest time in which a VM that had run did not write. */
  longestAwayMs(): number {
    const now = [...this.#disks.values()].map(({ atMs }) => this.#scene.clock.nowMs - atMs);
    return Math.max(this.#longestMs, ...now);
  }

  /**
   * In this epoch it is the other host's from its first write on. When this host writes before that, it stays its own: a
   * VM that was handed over to a host that can write nothing is begun anew here.
   */
  passes(vm: VmId, epoch: number, from: HostId, to: HostId): void {
    const disk = this.#disks.get(vm);
    if (disk?.epoch === epoch && (disk.next ?? disk.host) === from) disk.next = to;
  }

  wroteMs(vm: VmId): number | undefined {
    return this.#disks.get(vm)?.atMs;
  }

  writeAll(): void {
    for (const machine of this.#scene.machines) {
      if (!machine.works) continue;
      for (const { vm, epoch, state, incoming } of machine.guests.values())
        if ((state === 'running' || state === 'ending') && incoming !== true) this.#write(machine, vm, epoch);
    }
  }

  #write(machine: Machine, vm: VmId, epoch: number): void {
    const { plan, clock } = this.#scene;
    const { name, volume: on } = this.#scene.vm(vm);
    const volume = plan.volumes.find((one) => one.name === on);
    if (volume === undefined) return;
    const lands = volume.replicaSets.every((bricks) => {
      let reached = 0;
      for (const id of bricks) if (this.#reachesBrick(machine, this.#scene.machine(id))) reached += 1;
      return reached >= majorityOf(bricks.length);
    });
    if (!lands) return;
    const disk = this.#disks.get(vm);
    const isOthers =
      disk?.epoch === epoch
        ? machine.id !== disk.host && machine.id !== disk.next
        : epoch < (disk?.epoch ?? 0);
    if (disk !== undefined && isOthers)
      this.#scene.breaks(
        `${name} was written by ${machine.name} in epoch ${epoch} after ${this.#scene.machine(disk.host).name} in epoch ${disk.epoch}`,
      );
    else {
      if (disk !== undefined) this.#longestMs = Math.max(this.#longestMs, clock.nowMs - disk.atMs);
      this.#disks.set(vm, { epoch, host: machine.id, atMs: clock.nowMs });
    }
  }

  #reachesBrick(machine: Machine, other: Machine): boolean {
    if (!other.works || !other.brickIsUp) return false;
    if (machine === other) return true;
    return connected(machine, other, 'stor') && !other.bars.has(machine.id);
  }
}
