import type { HostId, VmId } from '../../node/contract/ids.ts';
import type { Heard, View } from '../../node/ha/model.ts';
import { type LocalEnd, type LocalVm, type Memory, newMemory } from '../../node/ha/model.ts';

/** One simulated host: what is true of it, and what its agent knows. */
export type Guest = {
  vm: VmId;
  epoch: number;
  state: LocalVm['state'];
  incoming?: boolean;
  /** when it began to run here; a move brings one that has run for long */
  startedMs?: number;
  /** of the engine's VM: the engine in it stands still, or its process is not there, since then */
  engine?: { is: 'still' | 'gone'; sinceMs: number };
};
export type Net = 'mgmt' | 'stor';

export class Machine {
  readonly id: HostId;
  readonly name: string;
  readonly memoryMiB: number;
  readonly rate: number;
  /** the machine's own start; what was begun in an earlier one is no more */
  boot = 0;
  isOn = true;
  /** the whole machine stands still: nothing runs, nothing answers, memory stays */
  isFrozen = false;
  /** what crosses the wire, per network and direction */
  readonly nets = { mgmt: { in: true, out: true }, stor: { in: true, out: true } };
  /** hosts to which there is no way, while each reaches others */
  readonly severed = new Set<HostId>();
  brickIsUp = true;
  etcdIsUp = true;
  /** what is written to its disk takes so much longer: of etcd, of starts and ends */
  diskDelayMs = 0;
  /** survives the machine's end: on its disk */
  readonly bars = new Map<HostId, string>();
  /** VMs that a move has brought here and that ran here, by epoch; on its disk */
  readonly arrived = new Map<VmId, number>();
  readonly guests = new Map<VmId, Guest>();
  readonly ends = new Map<VmId, LocalEnd>();
  libvirtHangs = false;
  watchdogMs: number | undefined;
  fedMs = 0;
  /** ends of VMs do not succeed */
  endsHang = false;
  startsFail = false;
  /** its clock on the wall is so much off */
  wallOffMs = 0;
  /**
   * its fence device: switches it off; does nothing; says that it did and did not, which asking again shows; takes half a
   * minute
   */
  bmc: 'none' | 'works' | 'dead' | 'lies' | 'slow' = 'none';

  // what the agent has, gone with the agent
  agentIsUp = true;
  agentIsStopped = false;
  instance = '';
  memory: Memory;
  lease: number | undefined;
  contactMs: number | undefined;
  view: View | undefined;
  viewRevision = 0;
  readonly heard = new Map<HostId, Heard>();
  readonly busy = new Set<string>();
  nonce = 0;
  #life = 0;

  constructor(id: HostId, name: string, memoryMiB: number, rate: number) {
    this.id = id;
    this.name = name;
    this.memoryMiB = memoryMiB;
    this.rate = rate;
    this.memory = newMemory(0);
  }

  /** A new agent that knows nothing. */
  newAgent(nowMs: number): void {
    this.#life += 1;
    this.agentIsUp = true;
    this.agentIsStopped = false;
    this.instance = `${this.name}-${this.#life}`;
    this.memory = newMemory(nowMs * this.rate);
    this.lease = undefined;
    this.contactMs = undefined;
    this.view = undefined;
    this.viewRevision = 0;
    this.heard.clear();
    this.busy.clear();
  }

  get works(): boolean {
    return this.isOn && !this.isFrozen;
  }

  get agentWorks(): boolean {
    return this.works && this.agentIsUp && !this.agentIsStopped;
  }
}
