import { randomUUID } from 'node:crypto';
import type { Clock } from '../../clock/clock.ts';
import { errorChain } from '../../contract/error.ts';
import { haKeys } from '../../contract/ha.ts';
import type { HostId } from '../../contract/ids.ts';
import type { Log } from '../../log/log.ts';
import type { Contact } from '../contact.ts';
import { decide } from '../decide.ts';
import {
  type Action,
  type EngineSigns,
  type Heard,
  type Memory,
  newMemory,
  type Observation,
} from '../model.ts';
import type { Timings } from '../timings.ts';
import type { Bars } from './bars.ts';
import type { Guests } from './guests.ts';
import type { Notes } from './notes.ts';
import type { Power } from './power.ts';
import type { HaStore } from './store.ts';
import type { Watchdog } from './watchdog.ts';

/** All that the loop needs of the world; the pure core decides, this carries out. */
export type LoopEnv = {
  self: HostId;
  instance: string;
  times: Timings;
  clock: Clock;
  log: Log;
  store: Pick<HaStore, 'picture' | 'contactMs' | 'commit' | 'isAt' | 'onChange'>;
  heard(): ReadonlyMap<HostId, Heard>;
  guests: Pick<Guests, 'vms' | 'ends' | 'start' | 'end'>;
  bars: Pick<Bars, 'inForce' | 'bar' | 'unbar'>;
  watchdog: Watchdog | undefined;
  notes: Pick<Notes, 'tell'>;
  /** MiB that VMs may still take; a witness has none */
  freeMemoryMiB(): number;
  maintenance(): boolean;
  power: Power;
  /** undefined: the engine's VM does not run here */
  engine(): EngineSigns | undefined;
};

export type Loop = {
  /** soon, because something has changed */
  wake(): void;
  observe(): Observation;
  /** as of the last tick */
  contact(): Contact | undefined;
  stop(): Promise<void>;
};

const powerOffMs = 60_000;
/** Storage fencing takes some 100 ms when it can be done. */
const storageFirstMs = 1_000;

export function startLoop(env: LoopEnv): Loop {
  const { clock, log, store, guests, times } = env;
  const stopping = new AbortController();
  const busy = new Map<string, Promise<void>>();
  let memory: Memory = newMemory(clock.now());
  let contact: Contact | undefined;
  let isWaking = false;

  const observe = (): Observation => ({
    nowMs: clock.now(),
    self: env.self,
    instance: env.instance,
    nonce: randomUUID(),
    view: store.picture.view(),
    contactMs: store.contactMs(),
    heard: env.heard(),
    vms: guests.vms(),
    ends: guests.ends(),
    barred: env.bars.inForce(),
    freeMemoryMiB: env.freeMemoryMiB(),
    maintenance: env.maintenance(),
    watchdogMs: env.watchdog?.timeoutMs,
    engine: env.engine(),
  });

  const tick = () => {
    if (stopping.signal.aborted) return;
    const decision = decide(memory, observe(), times);
    memory = decision.memory;
    if (decision.contact !== contact) log.info(`contact ${contact ?? 'none'} -> ${decision.contact}`);
    contact = decision.contact;
    for (const action of decision.actions) act(action);
  };
  const wake = () => {
    if (isWaking) return;
    isWaking = true;
    setImmediate(() => {
      isWaking = false;
      tick();
    });
  };

  const act = (action: Action) => {
    if (action.kind === 'feed-watchdog') {
      env.watchdog?.feed();
      return;
    }
    if (action.kind === 'tell') {
      if (action.told !== undefined) env.notes.tell(action.told);
      return;
    }
    if (busy.has(action.key)) return;
    const work = carryOut(action)
      .catch((error: unknown) => log.error(`${action.kind} was not done`, error, { key: action.key }))
      .finally(() => {
        busy.delete(action.key);
        wake();
      });
    busy.set(action.key, work);
  };

  const carryOut = async (action: Exclude<Action, { kind: 'feed-watchdog' | 'tell' }>): Promise<void> => {
    const tell = () => {
      if (action.told !== undefined) env.notes.tell(action.told);
    };
    switch (action.kind) {
      case 'write':
        if (await store.commit(action.guards, action.writes)) tell();
        else await clock.sleep(50, stopping.signal).catch(() => {});
        return;
      case 'start-vm':
        return startVm(action);
      case 'end-vm':
        tell();
        await guests.end(action.vm);
        return;
      case 'bar': {
        const peer = store.picture.peers().find(({ id }) => id === action.host);
        if (peer === undefined) throw new Error(`host ${action.host} has no known address`);
        await env.bars.bar(action.host, action.fence, peer.addresses);
        return;
      }
      case 'unbar':
        await env.bars.unbar(action.host);
        return;
      case 'power-off':
        return powerOff(action);
    }
  };

  /** safety: asked of the majority before each try, and an answer that took long is none: much may have happened since. */
  const mayStart = async (vm: string, revision: number): Promise<boolean> => {
    const sentMs = clock.now();
    const isOurs = await store.isAt(haKeys.assignment(vm), revision);
    return isOurs && clock.now() - sentMs <= times.stallMs;
  };
  const startVm = async ({ vm, epoch, revision }: Action & { kind: 'start-vm' }): Promise<void> => {
    const kept = store.picture.spec(vm);
    if (kept === undefined) {
      log.warn('a VM has no run spec here yet', { vm });
      await clock.sleep(500, stopping.signal).catch(() => {});
      return;
    }
    try {
      await guests.start(kept.spec, epoch, kept.generation, () => mayStart(vm, revision));
    } catch (error) {
      env.notes.tell({
        severity: 'warning',
        about: vm,
        text: `${kept.spec.name} could not be started here: ${errorChain(error)}`,
      });
    }
  };

  const isFencing = (host: HostId, fence: string): boolean => {
    const kept = store.picture.view()?.fences.get(host)?.value;
    return kept?.id === fence && kept.phase === 'fencing';
  };
  const powerOff = async ({ host, fence }: Action & { kind: 'power-off' }): Promise<void> => {
    if (!env.power.has(host)) return void (await clock.sleep(1_000, stopping.signal).catch(() => {}));
    // The storage is faster, and what it proves costs nobody's machine: only what it cannot prove is switched off.
    await clock.sleep(storageFirstMs, stopping.signal).catch(() => {});
    if (!isFencing(host, fence)) return;
    try {
      const signal = AbortSignal.any([AbortSignal.timeout(powerOffMs), stopping.signal]);
      const { says, wasOn } = await env.power.off(host, signal);
      const key = haKeys.proof(fence, env.self, 'power');
      const value = { v: 1, fence, by: env.self, kind: 'power', says };
      const told = await store.commit([{ key, revision: 0 }], [{ key, value }]);
      // It is needed again, unless somebody else had switched it off.
      if (told && wasOn) await env.power.on(host, AbortSignal.timeout(powerOffMs));
    } catch (error) {
      const why = errorChain(error);
      env.notes.tell({ severity: 'warning', about: host, text: `It was not switched off: ${why}` });
      await clock.sleep(5_000, stopping.signal).catch(() => {});
    }
  };

  store.onChange(wake);
  const timer = setInterval(tick, times.loopMs);
  return {
    wake,
    observe,
    contact: () => contact,
    async stop() {
      stopping.abort(new Error('the agent stops'));
      clearInterval(timer);
      await Promise.race([Promise.allSettled(busy.values()), clock.sleep(3_000)]);
    },
  };
}
