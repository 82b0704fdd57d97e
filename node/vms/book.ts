/**
 * All that this host knows of its VMs: for each one the record (what it was told, on disk), the sight (what libvirt last
 * said) and what the agent is doing with it.
 *
 * Ground rules:
 * - only `change` alters an entry; whoever alters one is the room (vms.ts), its ears (follow.ts) or a move (migrate.ts,
 *   incoming.ts); every alteration that changes what others see is told as an event, once, and logged as `old -> new`;
 * - orders for one VM are carried out one after the other (`inTurn`); libvirt's events are taken in at once;
 * - a record is on disk before libvirt is told to start its domain. What was last seen is written behind.
 */
import { AppError } from '../contract/error.ts';
import type { NodeEvent } from '../contract/events.ts';
import type { VmId } from '../contract/ids.ts';
import type { VmStatus } from '../contract/vms.ts';
import type { DomainRef } from '../libvirt/procedures/shapes.ts';
import type { Log } from '../log/log.ts';
import { makeTurns } from '../tasks/turns.ts';
import {
  type Doing,
  type Ending,
  endingWhileAway,
  isAlive,
  nothing,
  type Sight,
  stateOf,
  statusOf,
} from './model.ts';
import type { SpecStore, VmRecord } from './spec-store.ts';

export type Entry = {
  readonly id: VmId;
  readonly record: VmRecord;
  readonly sight: Sight | undefined;
  readonly ref: DomainRef | undefined;
  readonly doing: Doing;
  /** grows with every word of libvirt about it: an answer that was asked for before the newest word is stale */
  readonly words: number;
};
type Alterable = { -readonly [Key in keyof Entry]: Entry[Key] };
export type Change = Partial<Pick<Entry, 'record' | 'sight' | 'ref' | 'doing'>>;

export type BookEnv = {
  store: SpecStore;
  /** tells this boot of the host from the ones before */
  bootId: string;
  publish(event: NodeEvent): void;
  log: Log;
};

/** Whether what libvirt says is known: not yet since the agent's start, now, or it has been away for long. */
export type Knowledge = 'not-yet' | 'present' | 'lost';

export type Book = {
  readonly bootId: string;
  all(): Entry[];
  find(id: string): Entry | undefined;
  /** throws `vm.missing` */
  need(id: string): Entry;
  statusOf(entry: Entry): VmStatus;
  isAlive(entry: Entry): boolean;
  add(record: VmRecord, change?: Change): Entry;
  change(entry: Entry, change: Change): void;
  /** takes a word of libvirt about it in */
  hear(entry: Entry, sight: Sight, ref: DomainRef): void;
  /** libvirt has no such domain any more */
  ended(entry: Entry, ending: Ending): void;
  /** the record as it is now is on disk afterwards */
  save(entry: Entry): Promise<void>;
  remove(entry: Entry, reason: string): Promise<void>;
  inTurn<T>(id: string, act: () => Promise<T>): Promise<T>;
  know(knowledge: Knowledge): void;
  knowledge(): Knowledge;
  publish(event: NodeEvent): void;
};

export function makeBook(env: BookEnv): Book {
  const entries = new Map<string, Alterable>();
  const inTurn = makeTurns();
  const writes = new Map<string, Promise<void>>();
  const told = new Map<string, VmStatus>();
  let known: Knowledge = 'not-yet';

  const present = (entry: Entry): VmStatus => {
    const ending = endingWhileAway(entry.record.last, env.bootId);
    const state = stateOf(entry.sight, entry.doing, ending);
    const mayRun = state.state !== 'off' && state.state !== 'crashed';
    if (known === 'not-yet' || (known === 'lost' && mayRun))
      return statusOf(entry.record, { state: 'unknown', reason: 'libvirt on this host does not answer.' });
    return statusOf(entry.record, state);
  };
  const tell = (entry: Entry) => {
    const status = present(entry);
    const before = told.get(entry.id);
    if (JSON.stringify(before) === JSON.stringify(status)) return;
    told.set(entry.id, status);
    if (before?.state !== status.state)
      env.log.info(`vm ${before?.state ?? 'new'} -> ${status.state} (${status.reason})`, { vm: entry.id });
    env.publish({ kind: 'vm', status });
  };
  const save = (entry: Entry): Promise<void> => {
    const write = (writes.get(entry.id) ?? Promise.resolve()).then(async () => {
      // Removed meanwhile: it must not come back.
      if (entries.get(entry.id) === entry) await env.store.save(entry.record);
    });
    writes.set(
      entry.id,
      write.catch(() => {}),
    );
    return write;
  };
  const saveBehind = (entry: Entry) =>
    void save(entry).catch((error) =>
      env.log.error('what was last seen of a VM is not kept', error, { vm: entry.id }),
    );

  const change = (entry: Entry, what: Change) => {
    const alterable = entries.get(entry.id);
    if (alterable === undefined || alterable !== entry) return;
    Object.assign(alterable, what);
    tell(entry);
  };

  return {
    bootId: env.bootId,
    all: () => [...entries.values()],
    find: (id) => entries.get(id),
    need: (id) => {
      const entry = entries.get(id);
      if (entry === undefined)
        throw new AppError({
          code: 'vm.missing',
          family: 'missing',
          message: 'This host does not have that VM.',
        });
      return entry;
    },
    statusOf: present,
    isAlive: (entry) => isAlive(entry.sight, entry.doing),
    add: (record, what = {}) => {
      const { id } = record.spec;
      const entry: Alterable = {
        id,
        record,
        sight: undefined,
        ref: undefined,
        doing: nothing,
        words: 0,
        ...what,
      };
      entries.set(id, entry);
      tell(entry);
      return entry;
    },
    change,
    hear: (entry, sight, ref) => {
      const alterable = entries.get(entry.id);
      if (alterable === undefined) return;
      alterable.words += 1;
      change(entry, { sight, ref });
    },
    ended: (entry, ending) => {
      const alterable = entries.get(entry.id);
      if (alterable === undefined) return;
      alterable.words += 1;
      const { startedAt: _, ...rest } = entry.record;
      const moves = entry.doing.kind === 'moving-in' || entry.doing.kind === 'moving-out';
      change(entry, {
        sight: undefined,
        ref: undefined,
        record: { ...rest, last: ending },
        ...(moves ? {} : { doing: nothing }),
      });
      saveBehind(entry);
    },
    save,
    remove: async (entry, reason) => {
      entries.delete(entry.id);
      told.delete(entry.id);
      await writes.get(entry.id);
      await env.store.remove(entry.id);
      env.log.info(`vm -> gone (${reason})`, { vm: entry.id });
      env.publish({ kind: 'vm-gone', id: entry.id, reason });
    },
    inTurn,
    know: (knowledge) => {
      known = knowledge;
      for (const entry of entries.values()) tell(entry);
    },
    knowledge: () => known,
    publish: env.publish,
  };
}
