import type { HostId, VmId } from '../../node/contract/ids.ts';
import type { Volume } from '../../node/ha/model.ts';
import type { Timings } from '../../node/ha/timings.ts';
import type { SimClock } from './clock.ts';
import type { Machine } from './machine.ts';
import type { Random } from './random.ts';

/** What a simulated cluster is made of. */
export type SimVm = {
  id: VmId;
  name: string;
  priority: number;
  memoryMiB: number;
  volume: string;
  startDelaySeconds?: number;
  allowedHosts?: HostId[];
  preferredHost?: HostId;
};
export type Plan = {
  hosts: readonly {
    id: HostId;
    name: string;
    memoryMiB: number;
    /** its monotonic clock runs so much faster than the true one */
    rate: number;
    watchdogMs?: number;
    bmc: boolean;
  }[];
  volumes: readonly Volume[];
  vms: readonly SimVm[];
  slow: boolean;
};
export type Line = { atMs: number; text: string };

/** What all parts of the model share. */
export type Scene = {
  readonly plan: Plan;
  readonly times: Timings;
  readonly random: Random;
  readonly clock: SimClock;
  readonly machines: readonly Machine[];
  say(text: string): void;
  /** nobody reaches the engine on its address */
  readonly engineIsCut: boolean;
  /** A law that must never break was broken. */
  breaks(text: string): void;
  vm(id: VmId): SimVm;
  machine(idOrName: string): Machine;
  /** Mostly as long as it should, now and then much longer. */
  takes(low: number, high: number): number;
  /** Runs in so much of the machine's own time: one that stands still finishes later, one that ended never. */
  onMachine(machine: Machine, ms: number, run: () => void): void;
};

export const vmRecord = (vm: SimVm, wanted: 'running' | 'stopped' = 'running', generation = 1) => ({
  v: 1,
  id: vm.id,
  name: vm.name,
  generation,
  wanted,
  priority: vm.priority,
  memoryMiB: vm.memoryMiB,
  volumes: [vm.volume],
  ...(vm.startDelaySeconds === undefined ? {} : { startDelaySeconds: vm.startDelaySeconds }),
  ...(vm.allowedHosts === undefined ? {} : { allowedHosts: vm.allowedHosts }),
  ...(vm.preferredHost === undefined ? {} : { preferredHost: vm.preferredHost }),
});
