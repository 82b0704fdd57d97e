import { AppError } from '../../node/contract/error.ts';
import type { HaVm } from '../../node/contract/ha.ts';
import type { HostId, VmId } from '../../node/contract/ids.ts';
import { type VmSpec, type VmStatus, vmSpecSchema } from '../../node/contract/vms.ts';
import * as records from '../ha/store.ts';
import type { Candidate } from '../scheduler/decide.ts';
import { type Action, decide, type HaSight, type Observation, type Report } from './decide.ts';
import type { VmsEnv } from './env.ts';
import { describe } from './ha.ts';
import { nodeSpecOf, type VmRecord, vmRecordSchema } from './model.ts';
import { forgetOnHost } from './steps.ts';

export type ReconcileEnv = Omit<VmsEnv, 'quiet'> & {
  now(): Date;
  busy(id: VmId): boolean;
};

/** A VM that a host reports and nobody knows; told of once it has stayed so for a while. */
export type Stray = { id: VmId; name: string; hostName: string; since: Date; told: boolean };

const strayAfterMs = 30_000;
const hostsKeepMs = 1_000;
const forgetMs = 10_000;

/** Hosts give reasons as sentences; what is none becomes one. */
const sentence = (text: string): string =>
  text === '' ? '' : `${text.charAt(0).toUpperCase()}${text.slice(1)}${/[.!?]$/.test(text) ? '' : '.'}`;

/** Whether HA's records say what it is made of; where it is preferred, and its generation, are of its last start. */
function isDescribed(
  vm: HaVm,
  spec: VmSpec | undefined,
  wanted: ReturnType<typeof describe>,
  record: VmRecord,
): boolean {
  const { id, name, priority, memoryMiB, volumes, allowedHosts } = vm;
  const has = {
    id,
    name,
    priority,
    memoryMiB,
    volumes,
    ...(allowedHosts === undefined ? {} : { allowedHosts }),
  };
  return records.sameJson(has, wanted) && spec !== undefined && textOf(spec) === wantedSpec(record);
}

const texts = new WeakMap<object, string>();
function textOf(value: object, make: () => unknown = () => value): string {
  const known = texts.get(value) ?? JSON.stringify(make());
  texts.set(value, known);
  return known;
}
/** Parsed as the kept one is: what a schema fills in is no difference. A record that changes is another object. */
const wantedSpec = (record: VmRecord): string => textOf(record, () => vmSpecSchema.parse(nodeSpecOf(record)));

/** Compares each VM with what hosts report, when something about it changes and once in a while, and acts on it. */
export class Reconciler {
  readonly #env: ReconcileEnv;
  readonly #atWork = new Map<VmId, Promise<void>>();
  readonly #again = new Set<VmId>();
  readonly strays = new Map<string, Stray>();
  readonly twice = new Map<VmId, string[]>();

  constructor(env: ReconcileEnv) {
    this.#env = env;
  }

  wake(id: VmId): void {
    if (this.#atWork.has(id)) {
      this.#again.add(id);
      return;
    }
    const work = this.#round(id)
      .catch((error: unknown) => this.#env.log.error('reconciling a VM failed', error, { vm: id }))
      .finally(() => {
        this.#atWork.delete(id);
        if (this.#again.delete(id)) this.wake(id);
      });
    this.#atWork.set(id, work);
  }

  quiet = async (id: VmId): Promise<void> => {
    await this.#atWork.get(id);
  };

  /** All that are recorded or reported; the loop calls it every few seconds. */
  async all(): Promise<string> {
    const ids = new Set<VmId>();
    for (const record of this.#env.catalog.all()) ids.add(record.id);
    for (const entry of this.#env.hosts.online())
      for (const id of entry.picture?.vms.keys() ?? []) ids.add(id);
    let acted = 0;
    for (const id of ids) {
      if (this.#atWork.has(id) || decide(this.#observe(id)).length === 0) continue;
      acted += 1;
      this.wake(id);
    }
    this.#dropStrays(ids);
    return acted === 0
      ? `${ids.size} VMs are as they should be`
      : `${acted} of ${ids.size} VMs needed something`;
  }

  #observe(id: VmId): Observation {
    const reports: Report[] = [];
    for (const entry of this.#env.hosts.online()) {
      const status = entry.picture?.vms.get(id);
      if (status !== undefined)
        reports.push({ hostId: entry.record.id, hostName: entry.record.name, status });
    }
    const record = this.#env.catalog.get(id);
    const assigned =
      record === undefined || record.hostId === null ? undefined : this.#env.hosts.get(record.hostId);
    return {
      record,
      reports,
      assignedIsOnline: assigned?.state === 'online' && assigned.picture !== undefined,
      busy: this.#env.busy(id),
      ha: this.#haOf(record),
    };
  }

  #haOf(record: VmRecord | undefined): HaSight | undefined {
    const { ha, hosts } = this.#env;
    if (record === undefined) return undefined;
    const { vms, specs, assignments, fences } = ha.mirror.view();
    const vm = vms.get(record.id)?.value;
    const assignment = assignments.get(record.id)?.value;
    if (!record.haEnabled && vm === undefined && assignment === undefined) return undefined;
    return {
      current: ha.mirror.state().current,
      wanted: vm?.wanted,
      assignment,
      hostName: assignment === undefined ? '' : (hosts.get(assignment.host)?.record.name ?? 'a host'),
      isDescribed:
        vm === undefined ||
        (record.haEnabled &&
          isDescribed(vm, specs.get(record.id)?.value.spec, this.#describe(record), record)),
      fenced: new Set(
        [...fences.values()].filter(({ value }) => value.phase === 'fenced').map(({ value }) => value.host),
      ),
    };
  }

  async #round(id: VmId): Promise<void> {
    // Decided in a turn of its own, after whatever told of the change has been taken in.
    await Promise.resolve();
    const observation = this.#observe(id);
    const actions = decide(observation);
    if (!actions.some(({ kind }) => kind === 'flag-twice')) this.twice.delete(id);
    for (const action of actions) {
      if (this.#env.busy(id)) return;
      await this.#apply(id, action, observation);
    }
  }

  async #apply(id: VmId, action: Action, seen: Observation): Promise<void> {
    switch (action.kind) {
      case 'adopt':
        return this.#adopt(id, action.hostId, action.why, seen);
      case 'note-stopped':
        return this.#noteStopped(id, action.why, seen);
      case 'forget-on-host':
        return this.#forget(id, action.hostId);
      case 'record-engine':
        return this.#recordEngine(action.hostId, action.status);
      case 'flag-unknown':
        return this.#flagStray(id, action);
      case 'flag-twice':
        return this.#flagTwice(id, action.hostNames);
      case 'follow-ha':
        return this.#followHa(id, action, seen);
      case 'want-stopped':
        return this.#wantStopped(id, seen);
      case 'describe':
        if (seen.record === undefined) return;
        return records.describe(this.#env.ha.store, this.#describe(seen.record), nodeSpecOf(seen.record));
      case 'forget-in-ha':
        return records.forget(this.#env.ha.store, id);
    }
  }

  /** Only if nobody has changed the record since it was looked at. */
  async #change(
    id: VmId,
    seen: Observation,
    patch: Parameters<VmsEnv['catalog']['update']>[1] & object,
  ): Promise<boolean> {
    let changed = false;
    await this.#env.catalog.update(id, (record) => {
      if (record !== seen.record) return undefined;
      changed = true;
      return typeof patch === 'function' ? patch(record) : patch;
    });
    return changed;
  }

  async #adopt(id: VmId, hostId: HostId, why: string, seen: Observation): Promise<void> {
    const status = seen.reports.find((report) => report.hostId === hostId)?.status;
    const generation = Math.max(seen.record?.generation ?? 0, status?.generation ?? 0);
    if (!(await this.#change(id, seen, { power: 'running', hostId, generation, note: '' }))) return;
    const name = seen.record?.name ?? '';
    await this.#env.record({
      severity: seen.record?.isEngine === true ? 'info' : 'warning',
      code: 'vm.adopted',
      message: `${name} is recorded as running: ${why}.`,
      subject: { kind: 'vm', id, name },
    });
  }

  /** Of hosts only what stays the same is asked: a look at all of them serves all VMs for a moment. */
  #describe(record: VmRecord): ReturnType<typeof describe> {
    const nowMs = this.#env.now().getTime();
    if (this.#seen === undefined || nowMs - this.#seen.atMs > hostsKeepMs)
      this.#seen = { atMs: nowMs, candidates: this.#env.candidates() };
    const { candidates } = this.#seen;
    return describe({ candidates: () => candidates, hosts: this.#env.hosts }, record);
  }
  #seen: { atMs: number; candidates: Candidate[] } | undefined;

  /** What HA has done without the engine: told as what it was, a restart. */
  async #followHa(
    id: VmId,
    { hostId, hostName, why }: Extract<Action, { kind: 'follow-ha' }>,
    seen: Observation,
  ): Promise<void> {
    const { record } = seen;
    if (record === undefined) return;
    const known = seen.ha?.assignment?.generation ?? 0;
    const changes = {
      power: 'running' as const,
      hostId,
      generation: Math.max(record.generation, known),
      note: '',
      ...(record.isEngine ? {} : { haEnabled: true }),
    };
    if (!(await this.#change(id, seen, changes))) return;
    const isRestart = record.power === 'running' && record.hostId !== hostId;
    await this.#env.record({
      severity: 'warning',
      code: isRestart ? 'vm.restarted' : 'vm.adopted',
      message: isRestart
        ? `${record.name} was restarted on ${hostName} because ${why}.`
        : `${record.name} is recorded as running: HA has it on ${hostName}.`,
      subject: { kind: 'vm', id, name: record.name },
    });
  }

  /** In HA first; that it is off is recorded by the next round, once its assignment is gone. */
  async #wantStopped(id: VmId, seen: Observation): Promise<void> {
    const note = sentence(seen.ha?.assignment?.why ?? '');
    await records.wantStopped(this.#env.ha.store, id);
    await this.#change(id, seen, { note });
  }

  async #noteStopped(id: VmId, why: string, seen: Observation): Promise<void> {
    const { record } = seen;
    if (record === undefined || record.hostId === null) return;
    const note = sentence(why);
    const generation = record.generation + 1;
    if (!(await this.#change(id, seen, { power: 'off', hostId: null, generation, note }))) return;
    await this.#env.record({
      severity: 'info',
      code: 'vm.ended',
      message: `${record.name} stopped. ${note}`.trim(),
      subject: { kind: 'vm', id, name: record.name },
    });
    if (seen.reports.some(({ hostId }) => hostId === record.hostId)) await this.#forget(id, record.hostId);
  }

  async #forget(id: VmId, hostId: HostId): Promise<void> {
    const entry = this.#env.hosts.get(hostId);
    if (entry === undefined) return;
    try {
      await forgetOnHost(entry, id, AbortSignal.timeout(forgetMs));
    } catch (thrown) {
      // The next round tries again; that it is still there does no harm.
      this.#env.log.warn('a host could not be made to forget a VM that is off', {
        vm: id,
        host: hostId,
        code: thrown instanceof AppError ? thrown.code : String(thrown),
      });
    }
  }

  async #recordEngine(hostId: HostId, status: VmStatus): Promise<void> {
    const record = vmRecordSchema.parse({
      id: status.id,
      name: status.name,
      description: 'The VM in which this engine runs.',
      lifecycle: 'present',
      power: 'running',
      generation: status.generation,
      hostId,
      hardware: { cpus: status.cpus, memoryMiB: status.memoryMiB, cpuModel: 'host', disks: [], nics: [] },
      imageId: null,
      imageName: null,
      note: '',
      isEngine: true,
      haEnabled: false,
      haPriority: 'normal',
      createdAt: this.#env.now(),
    });
    await this.#env.catalog.insert(record);
  }

  async #flagStray(
    id: VmId,
    { hostId, hostName, name }: Extract<Action, { kind: 'flag-unknown' }>,
  ): Promise<void> {
    const key = `${id} ${hostId}`;
    const now = this.#env.now();
    const stray = this.strays.get(key) ?? { id, name, hostName, since: now, told: false };
    this.strays.set(key, stray);
    if (stray.told || now.getTime() - stray.since.getTime() < strayAfterMs) return;
    stray.told = true;
    await this.#env.record({
      severity: 'warning',
      code: 'vm.unknown',
      message: `${hostName} has a VM called ${name} that is not known here; it is left alone.`,
      subject: { kind: 'host', id: hostId, name: hostName },
    });
  }

  #dropStrays(reported: ReadonlySet<VmId>): void {
    for (const [key, stray] of this.strays)
      if (!reported.has(stray.id) || this.#env.catalog.get(stray.id) !== undefined) this.strays.delete(key);
  }

  async #flagTwice(id: VmId, hostNames: string[]): Promise<void> {
    if (this.twice.has(id)) return;
    this.twice.set(id, hostNames);
    const name = this.#env.catalog.get(id)?.name ?? '';
    await this.#env.record({
      severity: 'error',
      code: 'vm.runs-twice',
      message: `${name} is reported running on ${hostNames.join(' and ')}. Its disks are in danger.`,
      subject: { kind: 'vm', id, name },
    });
  }
}
