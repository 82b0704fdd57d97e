import type { Clock } from '../clock/clock.ts';
import { AppError } from '../contract/error.ts';
import type { VmId } from '../contract/ids.ts';
import type { VmStatistics } from '../contract/vms.ts';
import type { DomainStats, LibvirtClient } from '../libvirt/client.ts';
import { lifecycleOf, statsGroup } from '../libvirt/constants.ts';
import type { DaemonEvent } from '../libvirt/events.ts';
import type { DomainRef } from '../libvirt/procedures/shapes.ts';
import { ParamReader } from '../libvirt/typed-params.ts';
import type { Log } from '../log/log.ts';
import type { Book, Entry } from './book.ts';
import type { VmMetadata } from './metadata.ts';
import { endingWhileAway, nothing, type Sight, sightAfter } from './model.ts';
import { sightOf, statisticsOf, wantedStats } from './observe.ts';

export type FollowEnv = {
  book: Book;
  libvirt: Pick<LibvirtClient, 'allStats' | 'metadata' | 'resume'>;
  /** what a domain of ours carries about itself; undefined when it is none of ours */
  metadataOf(client: ResyncClient, ref: DomainRef): Promise<VmMetadata | undefined>;
  notice(severity: 'info' | 'warning' | 'error', code: string, message: string): void;
  /** the numbers of a migration that has just ended well */
  jobCompleted(id: VmId, numbers: ParamReader): void;
  clock: Clock;
  now(): Date;
  log: Log;
};
export type ResyncClient = Pick<LibvirtClient, 'allStats' | 'metadata'>;

/** The room's eyes and ears: keeps the book in line with libvirt, by its events and by looking. Orders nothing. */
export type Follow = {
  /** after every (re)connection, before any other call */
  resync(client: ResyncClient): Promise<void>;
  event(event: DaemonEvent): void;
  /** the connection is lost; told only when it stays so */
  down(): void;
  up(): void;
  /** every few seconds: statistics, what events may have missed, and paused VMs whose storage may be back */
  tick(): Promise<void>;
  statistics(): VmStatistics[];
};

const lostAfterMs = 10_000;
const tryAgainMs = 10_000;
const lookMs = 10_000;
const measureMs = 10 * 60_000;

export function makeFollow(env: FollowEnv): Follow {
  const { book, libvirt, clock, log } = env;
  const strangers = new Set<string>();
  const triedMs = new Map<VmId, number>();
  let downSince: number | undefined;
  let statistics: VmStatistics[] = [];
  let measuring = false;
  let missed = new Map<VmId, number>();

  const stranger = (ref: DomainRef) => {
    if (strangers.has(ref.uuid)) return;
    strangers.add(ref.uuid);
    env.notice(
      'warning',
      'vm.unknown-domain',
      `A virtual machine runs on this host that Trefoil did not start: ${ref.name} (${ref.uuid}). It is left alone.`,
    );
  };

  /** From the moment that its guest runs here, a VM that was expected is like any other. */
  const hear = (entry: Entry, sight: Sight, ref: DomainRef) => {
    book.hear(entry, sight, ref);
    if (entry.doing.kind !== 'moving-in' || (sight.state !== 'running' && sight.state !== 'blocked')) return;
    const { expectedFrom: _, ...record } = entry.record;
    book.change(entry, {
      record: { ...record, last: { state: 'alive', bootId: book.bootId } },
      doing: nothing,
    });
    book.save(entry).catch((error) => log.error('an arrival is not kept', error, { vm: entry.id }));
  };

  const metadataOf = (client: ResyncClient, ref: DomainRef): Promise<VmMetadata | undefined> =>
    env.metadataOf(client, ref).catch((error) => {
      // It says nothing of us: it is none of ours, and its finder tells so.
      if (error instanceof AppError && error.code === 'libvirt.no-metadata') return undefined;
      log.error('a domain does not say what it is', error, { domain: ref.uuid });
      return undefined;
    });

  /** A domain whose record was lost, that arrived, or that HA started, says itself what it is. */
  const adopt = async (
    client: ResyncClient,
    ref: DomainRef,
    /** when it is known already; a resync tells it of all domains together */
    sight?: Sight,
  ): Promise<Entry | undefined> => {
    const metadata = await metadataOf(client, ref);
    if (metadata === undefined || metadata.spec.id !== ref.uuid) return undefined;
    const { epoch, ...rest } = metadata;
    const last = { state: 'alive', bootId: book.bootId } as const;
    const entry =
      book.find(ref.uuid) ?? book.add({ ...rest, power: 'running', last }, sight && { sight, ref });
    await book.save(entry);
    if (epoch === undefined)
      env.notice(
        'warning',
        'vm.adopted',
        `${metadata.spec.name} runs here although this host had no record of it; it is known again.`,
      );
    return entry;
  };

  /** Not started by this agent: HA did, and what it was told may be newer than the record. */
  const startedElsewhere = async (ref: DomainRef): Promise<void> => {
    const known = book.find(ref.uuid);
    if (known === undefined) {
      if ((await adopt(libvirt, ref, { state: 'running', reason: 'booted' })) === undefined) stranger(ref);
      return;
    }
    if (known.doing.kind !== 'nothing') return;
    const metadata = await metadataOf(libvirt, ref);
    if (metadata?.epoch === undefined || metadata.generation < known.record.generation) return;
    const { epoch: _, ...rest } = metadata;
    book.change(known, { record: { ...known.record, ...rest, power: 'running' } });
    await book.save(known);
  };
  const noticeStart = (ref: DomainRef) =>
    void startedElsewhere(ref).catch((error) =>
      log.error('a domain that was started is not taken in', error, { domain: ref.uuid }),
    );

  /** `words` of before the question: what was heard since is newer than the answer. */
  const takeIn = (
    seen: readonly DomainStats[],
    words: ReadonlyMap<string, number>,
    /** what is not there any more */
    missing: (entry: Entry) => void,
  ) => {
    const there = new Set<string>();
    for (const { domain, values } of seen) {
      there.add(domain.uuid);
      const entry = book.find(domain.uuid);
      if (entry === undefined) continue;
      const sight = sightOf(values);
      if (sight !== undefined && entry.words === words.get(entry.id)) hear(entry, sight, domain);
    }
    for (const entry of book.all()) {
      if (there.has(entry.id) || entry.words !== words.get(entry.id)) continue;
      if (
        entry.sight !== undefined ||
        (entry.record.last.state === 'alive' && entry.doing.kind === 'nothing')
      )
        missing(entry);
    }
  };
  const wordsNow = () => new Map(book.all().map(({ id, words }) => [id as string, words]));

  const resync = async (client: ResyncClient): Promise<void> => {
    const words = wordsNow();
    const seen = await client.allStats(statsGroup.state);
    for (const { domain } of seen)
      if (book.find(domain.uuid) === undefined && (await adopt(client, domain)) === undefined)
        stranger(domain);
    takeIn(seen, new Map([...wordsNow(), ...words]), (entry) =>
      book.ended(entry, endingWhileAway(entry.record.last, book.bootId)),
    );
    for (const entry of book.all()) {
      const { record, sight, ref } = entry;
      if (record.expectedFrom === undefined || entry.doing.kind !== 'nothing') continue;
      // It was on its way here when this agent ended: it has arrived, or it never will.
      if (sight === undefined || ref === undefined) await book.remove(entry, 'It did not arrive.');
      else {
        book.change(entry, { doing: { kind: 'moving-in', from: 'another host' } });
        hear(entry, sight, ref);
      }
    }
    book.know('present');
  };

  const lifecycle = (entry: Entry, ref: DomainRef, event: number, detail: number) => {
    const what = lifecycleOf(event, detail);
    const after = sightAfter(what.name, what.detail);
    log.info(`libvirt says: ${what.name} (${what.detail})`, { vm: entry.id });
    if (after === undefined) return;
    if ('gone' in after) {
      book.ended(entry, after.gone);
      return;
    }
    hear(entry, after.sight, ref);
    if (what.name !== 'suspended' || what.detail !== 'disk error') return;
    if (entry.doing.kind === 'trying-again') book.change(entry, { doing: nothing });
    else
      env.notice(
        'error',
        'vm.paused-by-storage',
        `${entry.record.spec.name} stands still because its storage does not answer.`,
      );
  };

  /** QEMU does the failed write again when it is let go on; if storage is still away it stands still again. */
  const tryAgain = async (entry: Entry) => {
    const { sight, ref, doing } = entry;
    if (doing.kind === 'trying-again' && sight?.state === 'running') {
      triedMs.delete(entry.id);
      book.change(entry, { doing: nothing });
      env.notice('info', 'vm.storage-back', `${entry.record.spec.name} goes on: its storage answers again.`);
      return;
    }
    if (sight?.state !== 'paused' || sight.reason !== 'disk error' || ref === undefined) return;
    const tried = triedMs.get(entry.id);
    if (tried !== undefined && clock.now() - tried < tryAgainMs) return;
    triedMs.set(entry.id, clock.now());
    // The first look only starts the clock.
    if (tried === undefined) return;
    book.change(entry, { doing: { kind: 'trying-again' } });
    await libvirt.resume(ref).catch((error) => {
      book.change(entry, { doing: nothing });
      log.error('a VM that stands still for its storage cannot go on', error, { vm: entry.id });
    });
  };

  /**
   * Not waited for: QEMU looks at its disks' files for it, and where their storage hangs, so does the answer. Then there
   * are no new numbers; states are known all the same, and nothing is asked a second time meanwhile.
   */
  const measure = () => {
    if (measuring) return;
    measuring = true;
    libvirt
      .allStats(wantedStats, { deadlineMs: measureMs })
      .then((seen) => {
        const at = env.now();
        statistics = seen.flatMap(({ domain, values }) => {
          const entry = book.find(domain.uuid);
          return entry === undefined ? [] : [statisticsOf(entry.id, values, at)];
        });
        if (statistics.length > 0) book.publish({ kind: 'vm-statistics', statistics });
      })
      .catch((error) => log.error('no statistics of VMs', error))
      .finally(() => {
        measuring = false;
      });
  };

  return {
    resync,
    event: (event) => {
      if (event.kind === 'closing') return;
      const entry = book.find(event.domain.uuid);
      const started = event.kind === 'lifecycle' && lifecycleOf(event.event, event.detail).name === 'started';
      if (started && (entry === undefined || entry.doing.kind === 'nothing')) noticeStart(event.domain);
      if (entry === undefined) return;
      switch (event.kind) {
        case 'lifecycle':
          lifecycle(entry, event.domain, event.event, event.detail);
          break;
        case 'reboot':
          log.info('libvirt says: rebooted', { vm: entry.id });
          if (entry.doing.kind === 'asked-to-end') book.change(entry, { doing: nothing });
          break;
        case 'job-completed':
          env.jobCompleted(entry.id, new ParamReader(event.params));
          break;
        case 'io-error-reason':
          log.warn(`libvirt says: I/O error (${event.reason})`, { vm: entry.id, disk: event.alias });
          break;
        default:
          break;
      }
    },
    down: () => {
      downSince ??= clock.now();
    },
    up: () => {
      downSince = undefined;
    },
    tick: async () => {
      if (downSince !== undefined) {
        if (book.knowledge() === 'present' && clock.now() - downSince >= lostAfterMs) book.know('lost');
        return;
      }
      if (book.knowledge() !== 'present') return;
      const words = wordsNow();
      const seen = await libvirt.allStats(statsGroup.state, { deadlineMs: lookMs });
      const before = missed;
      missed = new Map();
      takeIn(seen, words, (entry) => {
        // The event that says why it ended may still be on its way: only the second look in vain counts.
        if (before.get(entry.id) === entry.words)
          book.ended(entry, { state: 'off', reason: 'It ended, and libvirt did not say why.' });
        else missed.set(entry.id, entry.words);
      });
      // Asked for before and still unknown: not one that moved away while the answer came.
      for (const { domain } of seen)
        if (!words.has(domain.uuid) && book.find(domain.uuid) === undefined && !strangers.has(domain.uuid))
          noticeStart(domain);
      measure();
      for (const entry of book.all()) {
        if (entry.doing.kind === 'asked-to-end' && clock.now() >= entry.doing.untilMs)
          book.change(entry, { doing: nothing });
        await tryAgain(entry);
      }
    },
    statistics: () => statistics,
  };
}
