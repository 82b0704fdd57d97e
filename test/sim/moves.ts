import { type HaAssignment, haKeys } from '../../node/contract/ha.ts';
import type { VmId } from '../../node/contract/ids.ts';
import type { Disks } from './disks.ts';
import type { Etcd } from './etcd.ts';
import type { Guest, Machine } from './machine.ts';
import { connected } from './network.ts';
import type { Scene, SimVm } from './plan.ts';

/**
 * A live migration as libvirt and the hosts' other agents do it: the engine writes `movingTo` and orders it; the source
 * writes the record anew and begins; the target has the VM, incoming; memory is handed over at one moment, and then the
 * source has nothing any more. When the answer to the handing over is lost, the VM stands still at the source until the
 * target has said whether it ran there, which it keeps on its disk.
 */
export type Order = {
  /** how long the memory takes */
  takesMs: number;
  /** from the engine's word in the store until its order; undefined: it never comes, and the engine forgets it */
  orderMs: number | undefined;
  /** given up by a person, so long after it began */
  cancelMs?: number | undefined;
  /** the target's answer to the handing over does not come */
  answerIsLost: boolean;
};
type Move = { vm: SimVm; guest: Guest; incoming: Guest; source: Machine; target: Machine; order: Order };

export class Moves {
  readonly #scene: Scene;
  readonly #etcd: Etcd;
  readonly #disks: Disks;

  constructor(scene: Scene, etcd: Etcd, disks: Disks) {
    this.#scene = scene;
    this.#etcd = etcd;
    this.#disks = disks;
  }

  /** The engine's part. It does not wait: a move that cannot be begun now is none. */
  order(vm: SimVm, target: Machine, order: Order): void {
    const kept = this.#etcd.assignment(vm.id);
    const source = this.#scene.machines.find(({ id }) => id === kept?.value.host);
    const runs = source?.works === true && source.guests.get(vm.id)?.state === 'running';
    if (kept === undefined || source === undefined || !runs || !this.#etcd.reaches(source)) return;
    const { value } = kept;
    if (value.state !== 'given' || value.movingTo !== undefined || source === target) return;
    if (!this.#isFree(target)) return;
    this.#etcd.put(haKeys.assignment(vm.id), { ...value, movingTo: target.id });
    if (order.orderMs === undefined) return;
    this.#scene.clock.in(order.orderMs, () => this.#begin(vm, source, target, order));
  }

  /** Named in the write: a fence that is proven must have known of the move. */
  #isFree(target: Machine): boolean {
    return !this.#etcd.store.records.has(haKeys.fence(target.id));
  }

  #mayMove(vm: VmId, source: Machine, target: Machine): HaAssignment | undefined {
    const value = this.#etcd.assignment(vm)?.value;
    const isIt = value?.host === source.id && value.movingTo === target.id && value.state === 'given';
    return isIt && this.#isFree(target) ? value : undefined;
  }

  #begin(vm: SimVm, source: Machine, target: Machine, order: Order): void {
    const guest = source.guests.get(vm.id);
    if (!source.works || guest?.state !== 'running' || !this.#etcd.reaches(source)) return;
    const may = this.#mayMove(vm.id, source, target);
    if (may === undefined || may.epoch !== guest.epoch) {
      this.#scene.say(`${source.name} does not move ${vm.name}: the store does not say so`);
      return;
    }
    this.#etcd.put(haKeys.assignment(vm.id), may);
    this.#scene.onMachine(source, this.#scene.takes(20, 200), () => {
      const isThere = connected(source, target, 'mgmt') && !target.libvirtHangs && !target.guests.has(vm.id);
      if (source.guests.get(vm.id) !== guest || guest.state !== 'running' || !isThere) return;
      const incoming: Guest = { vm: vm.id, epoch: guest.epoch, state: 'starting', incoming: true };
      target.guests.set(vm.id, incoming);
      target.arrived.delete(vm.id);
      this.#scene.say(`${vm.name} begins to move from ${source.name} to ${target.name}`);
      const move = { vm, guest, incoming, source, target, order };
      this.#copy(move, source.boot, target.boot, this.#scene.clock.nowMs);
    });
  }

  /** Looks ten times a second, as both libvirts do: is the other end still there? */
  #copy(move: Move, sourceBoot: number, targetBoot: number, beganMs: number, silentMs = 0): void {
    const { source, target, guest, incoming, vm, order } = move;
    const { clock } = this.#scene;
    const sourceHas = source.isOn && source.boot === sourceBoot && source.guests.get(vm.id) === guest;
    const targetHas = target.isOn && target.boot === targetBoot && target.guests.get(vm.id) === incoming;
    if (!targetHas) return;
    const isCancelled = order.cancelMs !== undefined && clock.nowMs - beganMs >= order.cancelMs;
    if (!sourceHas || silentMs >= 5_000 || (isCancelled && source.works)) {
      this.#scene.say(`the move of ${vm.name} to ${target.name} is broken off`);
      this.#forget(move, targetBoot);
      return;
    }
    const isThrough = connected(source, target, 'mgmt');
    if (isThrough && clock.nowMs - beganMs >= order.takesMs) {
      this.#handOver(move, sourceBoot, targetBoot);
      return;
    }
    clock.in(100, () => this.#copy(move, sourceBoot, targetBoot, beganMs, isThrough ? 0 : silentMs + 100));
  }

  /** The target's libvirt notices in its time that nothing comes any more. */
  #forget({ target, incoming, vm }: Move, targetBoot: number): void {
    this.#scene.clock.in(this.#scene.random.between(50, 5_000), () => {
      if (target.boot !== targetBoot || target.guests.get(vm.id) !== incoming || incoming.incoming !== true)
        return;
      if (target.works) target.guests.delete(vm.id);
      else this.#scene.clock.in(500, () => this.#forget({ target, incoming, vm } as Move, targetBoot));
    });
  }

  #handOver(move: Move, sourceBoot: number, targetBoot: number): void {
    const { source, target, guest, incoming, vm, order } = move;
    guest.state = 'paused';
    this.#scene.clock.in(this.#scene.random.between(5, 50), () => {
      const sourceWorks = source.works && source.boot === sourceBoot && source.guests.get(vm.id) === guest;
      const arrives =
        sourceWorks &&
        target.boot === targetBoot &&
        target.guests.get(vm.id) === incoming &&
        connected(source, target, 'mgmt');
      if (arrives) {
        incoming.incoming = false;
        target.ends.delete(vm.id);
        incoming.state = 'running';
        target.arrived.set(vm.id, incoming.epoch);
        this.#disks.passes(vm.id, guest.epoch, source.id, target.id);
        this.#scene.say(`${vm.name} runs on ${target.name} (epoch ${incoming.epoch}), moved`);
      } else this.#forget(move, targetBoot);
      const answerMs = this.#scene.random.between(5, 200);
      if (arrives && !order.answerIsLost)
        this.#scene.onMachine(source, answerMs, () => this.#gone(source, guest));
      else this.#settle(move, sourceBoot);
    });
  }

  #gone(source: Machine, guest: Guest): void {
    if (source.guests.get(guest.vm) !== guest) return;
    source.guests.delete(guest.vm);
    source.ends.set(guest.vm, {
      vm: guest.vm,
      epoch: guest.epoch,
      how: 'moved',
      atMs: this.#scene.clock.nowMs,
    });
  }

  /** It stands still here until the target has said whether it has it. */
  #settle(move: Move, sourceBoot: number): void {
    const { source, target, guest, incoming, vm } = move;
    this.#scene.onMachine(source, 1_000, () => {
      if (source.boot !== sourceBoot || source.guests.get(vm.id) !== guest || guest.state !== 'paused')
        return;
      if (!connected(source, target, 'mgmt')) return this.#settle(move, sourceBoot);
      if (target.arrived.get(vm.id) === guest.epoch) return this.#gone(source, guest);
      if (target.guests.get(vm.id) === incoming) target.guests.delete(vm.id);
      guest.state = 'running';
      this.#scene.say(`${vm.name} goes on at ${source.name}`);
    });
  }
}
