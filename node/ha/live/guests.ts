import type { Clock } from '../../clock/clock.ts';
import { AppError } from '../../contract/error.ts';
import type { VmId } from '../../contract/ids.ts';
import type { VmSpec } from '../../contract/vms.ts';
import type { LibvirtClient } from '../../libvirt/client.ts';
import { type DomainState, domainStateOf, lifecycleOf, statsGroup } from '../../libvirt/constants.ts';
import type { DaemonEvent } from '../../libvirt/events.ts';
import type { DomainRef } from '../../libvirt/procedures/shapes.ts';
import type { Log } from '../../log/log.ts';
import { startFailure } from '../../vms/failure.ts';
import type { VmMetadata } from '../../vms/metadata.ts';
import type { LocalEnd, LocalVm } from '../model.ts';
import type { Leftover } from './leftovers.ts';

/**
 * The HA VMs of this host as libvirt has them, and what is done to them: started, ended. A domain is HA's when its
 * metadata carry an epoch; all others belong to `trefoil-node` alone. When libvirt does not answer, QEMU's own files say
 * what runs, and ending is done by signal: losing the majority must end VMs even then.
 */
export type Guests = {
  /** undefined: nobody can say what runs here */
  vms(): readonly LocalVm[] | undefined;
  ends(): readonly LocalEnd[];
  /** `mayGoOn` is asked again before each try; throws what a person should read */
  start(spec: VmSpec, epoch: number, generation: number, mayGoOn: () => Promise<boolean>): Promise<void>;
  /** returns when it is gone; throws when it could not be ended */
  end(vm: VmId): Promise<void>;
  /** of one that runs here, and libvirt knows it */
  refOf(vm: VmId): DomainRef | undefined;
  resync(client: ResyncClient): Promise<void>;
  event(event: DaemonEvent): void;
  /** libvirt does not answer (any more) */
  down(): void;
  tick(): Promise<void>;
};
export type ResyncClient = Pick<LibvirtClient, 'allStats' | 'metadata'>;

type GuestsEnv = {
  libvirt: Pick<LibvirtClient, 'createXml' | 'destroy' | 'lookup' | 'allStats' | 'metadata'>;
  metadataOf(client: ResyncClient, ref: DomainRef): Promise<VmMetadata | undefined>;
  /** what QEMU's own files say, without libvirt */
  leftovers(): Promise<Leftover[]>;
  kill(pid: number): void;
  domainXml(metadata: VmMetadata): string;
  prepare(spec: VmSpec): Promise<void>;
  accelerator(): Promise<'kvm' | 'tcg'>;
  clock: Clock;
  now(): Date;
  changed(): void;
  log: Log;
};

type Guest = {
  vm: VmId;
  epoch: number;
  ref: DomainRef | undefined;
  state: LocalVm['state'];
  /** a migration brings it, and it has not run here yet */
  incoming: boolean;
};

const startMs = 30_000;
const endMs = 2_000;
/** Bricks let go of a dead host's locks a moment after they have refused it; longer than this it is somebody's disk. */
const lockPatienceMs = 12_000;
const lockPauseMs = 150;

const stateOf = (state: DomainState): LocalVm['state'] =>
  state === 'running' || state === 'blocked' ? 'running' : 'paused';

export function makeGuests(env: GuestsEnv): Guests {
  const { libvirt, clock, log } = env;
  const guests = new Map<VmId, Guest>();
  const ends = new Map<VmId, LocalEnd>();
  /** what each domain is, by uuid and number: a domain that was started anew is another one */
  const known = new Map<string, VmMetadata | undefined>();
  /** VMs that this agent is ending: their end is no crash */
  const ending = new Set<VmId>();
  let isKnown = false;
  let words = 0;

  const gone = (guest: Guest, how: LocalEnd['how']) => {
    guests.delete(guest.vm);
    if (!ending.has(guest.vm))
      ends.set(guest.vm, { vm: guest.vm, epoch: guest.epoch, how, atMs: clock.now() });
    log.info(`vm ${guest.state} -> gone (${ending.has(guest.vm) ? 'ended here' : how})`, { vm: guest.vm });
  };

  const look = async (client: ResyncClient): Promise<void> => {
    const before = words;
    const seen = await client.allStats(statsGroup.state, { deadlineMs: 3_000 });
    const found = new Map<VmId, Guest>();
    const keys = new Set<string>();
    for (const { domain, values } of seen) {
      const key = `${domain.uuid} ${domain.id}`;
      keys.add(key);
      if (!known.has(key)) known.set(key, await env.metadataOf(client, domain));
      const metadata = known.get(key);
      if (metadata?.epoch === undefined || metadata.spec.id !== domain.uuid) continue;
      const { state, reason } = domainStateOf(
        values.number('state.state') ?? 0,
        values.number('state.reason') ?? 0,
      );
      if (state === 'shut-off') continue;
      found.set(metadata.spec.id, {
        vm: metadata.spec.id,
        epoch: metadata.epoch,
        ref: domain,
        state: stateOf(state),
        // At its source it stands still for the same reason, but there it has run.
        incoming:
          state === 'paused' && reason === 'migrating' && guests.get(metadata.spec.id)?.incoming !== false,
      });
    }
    for (const key of known.keys()) if (!keys.has(key)) known.delete(key);
    // Heard something newer meanwhile: this answer is old, the next look tells.
    if (before !== words) return;
    for (const guest of [...guests.values()])
      if (!found.has(guest.vm) && guest.state !== 'starting') gone(guest, 'crashed');
    for (const guest of found.values()) {
      const present = guests.get(guest.vm);
      if (present?.state === 'starting' && present.epoch === guest.epoch) continue;
      guests.set(guest.vm, guest);
      ends.delete(guest.vm);
    }
    isKnown = true;
    env.changed();
  };

  const looked = async (): Promise<void> => {
    await look(libvirt).catch((error) => log.warn('libvirt was not read', { why: String(error) }));
  };

  /** Without libvirt: what QEMU's files say, so that what runs here can be seen and ended. */
  const lookWithout = async (): Promise<void> => {
    const left = await env.leftovers();
    for (const guest of [...guests.values()])
      if (guest.state !== 'starting' && !left.some(({ vm }) => vm === guest.vm)) gone(guest, 'crashed');
    for (const { vm, epoch } of left)
      if (!guests.has(vm)) guests.set(vm, { vm, epoch, ref: undefined, state: 'running', incoming: false });
    isKnown = true;
    env.changed();
  };

  const create = async (metadata: VmMetadata, mayGoOn: () => Promise<boolean>): Promise<DomainRef> => {
    const begun = clock.now();
    for (;;) {
      if (!(await mayGoOn()))
        throw new AppError({
          code: 'ha.not-ours',
          family: 'conflict',
          message: `${metadata.spec.name} was not started: it may not run here any more.`,
        });
      try {
        return await libvirt.createXml(env.domainXml(metadata), {}, { deadlineMs: startMs });
      } catch (thrown) {
        const failure = startFailure(thrown, metadata.spec);
        const isLocked = failure instanceof AppError && failure.code === 'disk.locked';
        if (!isLocked || clock.now() - begun > lockPatienceMs) throw failure;
        await clock.sleep(lockPauseMs);
      }
    }
  };

  return {
    vms: () =>
      isKnown
        ? [...guests.values()].map(({ vm, epoch, state, incoming }) => ({
            vm,
            epoch,
            state: ending.has(vm) ? 'ending' : state,
            ...(incoming ? { incoming } : {}),
          }))
        : undefined,
    ends: () => [...ends.values()],

    async start(spec, epoch, generation, mayGoOn) {
      if (guests.has(spec.id)) return;
      const guest: Guest = { vm: spec.id, epoch, ref: undefined, state: 'starting', incoming: false };
      guests.set(spec.id, guest);
      ends.delete(spec.id);
      env.changed();
      try {
        const accelerator = await env.accelerator();
        await env.prepare(spec);
        const metadata: VmMetadata = {
          generation,
          accelerator,
          startedAt: env.now().toISOString(),
          spec,
          epoch,
        };
        const ref = await create(metadata, mayGoOn);
        words += 1;
        known.set(`${ref.uuid} ${ref.id}`, metadata);
        // It may have ended again already, and been told so.
        if (guests.get(spec.id) === guest) guests.set(spec.id, { ...guest, ref, state: 'running' });
        log.info(`vm starting -> running`, { vm: spec.id, epoch });
      } catch (error) {
        const there = await libvirt.lookup(spec.id, { deadlineMs: 3_000 }).catch(() => undefined);
        if (guests.get(spec.id) === guest) {
          guests.delete(spec.id);
          if (there === undefined)
            ends.set(spec.id, { vm: spec.id, epoch, how: 'not-started', atMs: clock.now() });
        }
        if (there === undefined) throw error;
        await looked();
      } finally {
        env.changed();
      }
    },

    async end(vm) {
      const guest = guests.get(vm);
      if (guest === undefined) return;
      ending.add(vm);
      env.changed();
      try {
        const ref = guest.ref ?? (await libvirt.lookup(vm, { deadlineMs: endMs }));
        await libvirt.destroy(ref, 0, { deadlineMs: endMs });
      } catch (error) {
        if (!(error instanceof AppError && error.code === 'libvirt.no-domain')) {
          log.error('libvirt does not end a VM; it is ended by signal', error, { vm });
          for (const left of await env.leftovers()) if (left.vm === vm) env.kill(left.pid);
          await this.tick();
          if ((await env.leftovers()).some((left) => left.vm === vm)) throw error;
        }
      } finally {
        // Still here means: not ended, and it shows again as what it is.
        if (guests.get(vm) === guest && !(await env.leftovers()).some((left) => left.vm === vm))
          gone(guest, 'crashed');
        ending.delete(vm);
        env.changed();
      }
    },

    refOf(vm) {
      const guest = guests.get(vm);
      return guest?.state === 'running' && !guest.incoming && !ending.has(vm) ? guest.ref : undefined;
    },
    resync: look,
    event(event) {
      if (event.kind !== 'lifecycle') return;
      words += 1;
      const { name, detail } = lifecycleOf(event.event, event.detail);
      const guest = [...guests.values()].find((one) => one.vm === event.domain.uuid);
      if (name === 'stopped') {
        if (guest !== undefined && guest.state !== 'starting') {
          const how = detail === 'shut down' ? 'guest' : detail === 'migrated away' ? 'moved' : 'crashed';
          gone(guest, how);
        }
        env.changed();
        return;
      }
      void looked();
    },
    down() {
      log.warn('libvirt does not answer; QEMU’s own files are read instead');
      void lookWithout().catch((error) => log.error('what runs here is not known', error));
    },
    async tick() {
      try {
        await look(libvirt);
      } catch {
        await lookWithout();
      }
    },
  };
}
