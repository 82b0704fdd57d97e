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
      let open: Set<string> | undefined;
      for (const { vm, epoch, state, incoming, engine } of machine.guests.values()) {
        if ((state !== 'running' && state !== 'ending') || incoming === true || engine !== undefined)
          continue;
        open ??= this.#openTo(machine);
        if (open.has(this.#scene.vm(vm).volume)) this.#write(machine, vm, epoch);
      }
    }
  }

  /** Volumes of which each replica set takes what the machine writes. */
  #openTo(machine: Machine): Set<string> {
    const reached = new Set<HostId>();
    for (const one of this.#scene.machines) if (this.#reachesBrick(machine, one)) reached.add(one.id);
    const takes = (bricks: readonly HostId[]) =>
      bricks.filter((id) => reached.has(id)).length >= majorityOf(bricks.length);
    const open = this.#scene.plan.volumes.filter(({ replicaSets }) => replicaSets.every(takes));
    return new Set(open.map(({ name }) => name));
  }

  #write(machine: Machine, vm: VmId, epoch: number): void {
    const { clock } = this.#scene;
    const { name } = this.#scene.vm(vm);
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
