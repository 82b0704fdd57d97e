/**
 * The source's side of a live migration: one call of libvirt (peer to peer), whose connections to the other host's
 * libvirt and QEMU are unix sockets of this agent, carried by mTLS to the other agent.
 *
 *   running --announce--> moving-out --libvirt is done--> gone from here
 *      ^------------ whatever failed, once the target has promised that it has nothing
 *
 * Ground rules:
 * - the VM runs on one host only. libvirt and QEMU see to that; what they leave open (the answer of the last step was
 *   lost) is settled by asking the target, and until it has answered nothing is let go on here;
 * - a crash of this agent ends the tunnels: libvirt gives the move up and the VM stays here. The record says where it was
 *   going (`movingTo`) until that is settled, so that the next agent asks.
 */
import type { Duplex } from 'node:stream';
import type { Clock } from '../clock/clock.ts';
import { AppError } from '../contract/error.ts';
import type { HostId, VmId } from '../contract/ids.ts';
import type { Task } from '../contract/tasks.ts';
import type { VmMigrateRequest } from '../contract/vms.ts';
import type { LibvirtClient } from '../libvirt/client.ts';
import { migrateFlag } from '../libvirt/constants.ts';
import type { DomainRef } from '../libvirt/procedures/shapes.ts';
import { type ParamReader, param } from '../libvirt/typed-params.ts';
import type { Log } from '../log/log.ts';
import type { TaskHandle, Tasks } from '../tasks/registry.ts';
import type { Book, Entry } from './book.ts';
import { isMoving, notRunning } from './failure.ts';
import { libvirtSocket, migrationSocket, type VmPaths } from './paths.ts';
import type { Peer } from './peer.ts';
import type { Relay } from './relay.ts';
import { endedHow, type Settlement, settle, tellTarget } from './settle.ts';

export type MigrateEnv = {
  book: Book;
  tasks: Tasks;
  paths: Pick<VmPaths, 'migration'>;
  hostId: HostId;
  hostName(): string;
  libvirt: Pick<
    LibvirtClient,
    'job' | 'abortJob' | 'setMaxDowntime' | 'lookup' | 'state' | 'resume' | 'destroy'
  >;
  /** a connection of its own for the one call that lasts as long as the move */
  withOwnLibvirt<T>(body: (libvirt: Pick<LibvirtClient, 'migratePeerToPeer'>) => Promise<T>): Promise<T>;
  peer(to: { hostId: HostId; address: string }): Peer;
  relay(path: string, open: (signal: AbortSignal) => Promise<Duplex>): Promise<Relay>;
  /** the newest part of what it wrote to its serial console here */
  serialLog(id: VmId): Promise<Buffer>;
  notice(severity: 'info' | 'warning' | 'error', code: string, message: string): void;
  clock: Clock;
  log: Log;
};

export type Migrate = {
  start(id: string, request: VmMigrateRequest): Promise<Task>;
  completed(id: VmId, numbers: ParamReader): void;
  /** VMs of which nobody knows how their move ended (the target fell silent, or this agent was restarted): asks again */
  tick(): Promise<void>;
};

type Move = { entry: Entry; ref: DomainRef; peer: Peer; request: VmMigrateRequest };

const flags = migrateFlag.live | migrateFlag.peerToPeer | migrateFlag.autoConverge | migrateFlag.abortOnError;
const longestMs = 6 * 3_600_000;
const lookEveryMs = 500;

export function makeMigrate(env: MigrateEnv): Migrate {
  const { book, clock, log } = env;
  const running = new Map<VmId, { targetHostId: string; task: Task }>();
  const numbersOf = new Map<VmId, ParamReader>();
  /** what is still to be told to the target of a move that failed; a next move must not be taken back by it */
  const telling = new Map<VmId, { stop: AbortController; over: Promise<void> }>();
  /** seen running here after this agent was restarted amid their move: once is too early to be sure */
  const seenRunning = new Set<VmId>();

  const begin = (entry: Entry, to: string): DomainRef => {
    const { name } = entry.record.spec;
    if (entry.doing.kind === 'moving-in' || entry.doing.kind === 'moving-out') throw isMoving(name);
    if (entry.ref === undefined || entry.sight?.state !== 'running')
      throw notRunning(name, book.statusOf(entry).state);
    book.change(entry, { doing: { kind: 'moving-out', to } });
    return entry.ref;
  };

  const announce = async ({ entry, peer }: Move, signal: AbortSignal): Promise<string> => {
    const { generation, spec, startedAt, accelerator } = entry.record;
    const { hostName } = await peer.client.call(
      'expectVm',
      {
        params: { id: entry.id },
        body: {
          generation,
          spec,
          accelerator: accelerator ?? 'tcg',
          fromName: env.hostName(),
          ...(startedAt === undefined ? {} : { startedAt }),
        },
      },
      { signal },
    );
    return hostName;
  };

  const perform = async (move: Move, handle: TaskHandle): Promise<void> => {
    const { entry, ref, peer } = move;
    const sockets = {
      libvirt: libvirtSocket(env.paths, entry.id),
      memory: migrationSocket(env.paths, entry.id),
    };
    const relays: Relay[] = [];
    try {
      relays.push(await env.relay(sockets.libvirt, (signal) => peer.tunnel('libvirt', signal)));
      relays.push(await env.relay(sockets.memory, (signal) => peer.tunnel(entry.id, signal)));
      handle.signal.throwIfAborted();
      await env.libvirt
        .setMaxDowntime(ref, move.request.maxDowntimeMs)
        .catch((error) => log.error('the longest standstill is not set', error, { vm: entry.id }));
      const over = new AbortController();
      const watching = watch(move, handle, over.signal);
      try {
        await env.withOwnLibvirt((libvirt) =>
          libvirt.migratePeerToPeer(
            ref,
            `qemu+unix:///system?socket=${sockets.libvirt}`,
            [param.string('migrate_uri', `unix://${sockets.memory}`)],
            flags,
            { deadlineMs: longestMs },
          ),
        );
      } finally {
        over.abort();
        await watching;
      }
    } finally {
      await Promise.all(relays.map((relay) => relay.close()));
    }
  };

  /** Tells how far it is, and ends it when the task is cancelled. There is no job to end in its first moments. */
  const watch = async ({ ref, entry }: Move, handle: TaskHandle, over: AbortSignal): Promise<void> => {
    while (!over.aborted) {
      await clock.sleep(lookEveryMs, AbortSignal.any([over, handle.signal])).catch(() => {});
      if (over.aborted) return;
      if (handle.signal.aborted) {
        await env.libvirt.abortJob(ref).catch((error) => log.error('not ended yet', error, { vm: entry.id }));
        await clock.sleep(lookEveryMs, over).catch(() => {});
        continue;
      }
      const job = await env.libvirt.job(ref).catch(() => undefined);
      const total = job?.values.number('memory_total');
      const remaining = job?.values.number('memory_remaining');
      if (total === undefined || remaining === undefined || total === 0) continue;
      handle.progress(Math.min(0.99, 1 - remaining / total));
    }
  };

  const left = async (move: Pick<Move, 'entry' | 'peer'>, to: string): Promise<void> => {
    const { entry, peer } = move;
    const history = await env.serialLog(entry.id);
    await book.inTurn(entry.id, () => book.remove(entry, `It moved to ${to}.`));
    const body = { base64: history.toString('base64') };
    await peer.client
      .call('putVmSerialHistory', { params: { id: entry.id }, body })
      .catch((error) => log.error('the serial log stays behind', error, { vm: entry.id }));
  };

  const tell = ({ entry, peer }: Pick<Move, 'entry' | 'peer'>) => {
    const stop = new AbortController();
    const over = tellTarget(env, { entry, peer, giveUp: stop.signal });
    telling.set(entry.id, { stop, over });
  };
  const untilTold = async (id: VmId) => {
    const before = telling.get(id);
    before?.stop.abort();
    await before?.over;
    telling.delete(id);
  };

  /** On disk before libvirt is told. */
  const keep = async ({ entry, request }: Move, to: string): Promise<void> => {
    const movingTo = { hostId: request.targetHostId, address: request.targetAddress, name: to };
    book.change(entry, { record: { ...entry.record, movingTo } });
    await book.save(entry);
  };
  const settled = (entry: Entry): void => {
    seenRunning.delete(entry.id);
    const { movingTo, ...record } = entry.record;
    if (movingTo === undefined) return;
    book.change(entry, { record });
    book.save(entry).catch((error) => log.error('the end of a move is not kept', error, { vm: entry.id }));
  };

  const work = async (move: Move, handle: TaskHandle): Promise<Record<string, unknown>> => {
    const { entry } = move;
    const began = clock.now();
    let to = move.request.targetAddress;
    numbersOf.delete(entry.id);
    try {
      try {
        await untilTold(entry.id);
        to = await announce(move, handle.signal);
        book.change(entry, { doing: { kind: 'moving-out', to } });
        await keep(move, to);
        handle.progress(0, `moves to ${to}`);
        await perform(move, handle);
      } catch (failure) {
        log.error('a move did not succeed', failure, { vm: entry.id, to });
        const settlement = await settle(env, move);
        if (settlement === 'stayed') tell(move);
        if (settlement === 'stayed' || settlement === 'ended') settled(entry);
        if (settlement !== 'moved') throw told(entry, to, settlement, failure, handle.signal);
      }
      await left(move, to);
      const numbers = numbersOf.get(entry.id);
      return {
        hostId: move.request.targetHostId,
        ms: Math.round(clock.now() - began),
        ...pick(numbers, 'downtime', 'downtimeMs'),
        ...pick(numbers, 'memory_processed', 'bytes'),
      };
    } finally {
      running.delete(entry.id);
      numbersOf.delete(entry.id);
    }
  };

  /** What failed, in words; the book already says where the VM is. */
  const told = (entry: Entry, to: string, settlement: Settlement, cause: unknown, signal: AbortSignal) => {
    const { name } = entry.record.spec;
    if (settlement === 'unsettled')
      env.notice(
        'error',
        'vm.move-unsettled',
        `${name} stands still: ${to} was lost at the moment when it was taking it over. It goes on when ${to} answers.`,
      );
    return new AppError({
      code: signal.aborted ? 'vm.migration-cancelled' : 'vm.migration-failed',
      family: 'conflict',
      message: signal.aborted
        ? `The move of ${name} to ${to} was cancelled. ${endedHow[settlement]}`
        : `${name} could not be moved to ${to}: ${reasonOf(cause, to)} ${endedHow[settlement]}`,
      retry: 'later',
      cause,
    });
  };

  return {
    start: (id, request) =>
      book.inTurn(id, async () => {
        const entry = book.need(id);
        const present = running.get(entry.id);
        // Asked again by somebody who did not get the answer: it is the same move.
        if (present?.targetHostId === request.targetHostId) return env.tasks.get(present.task.id);
        if (request.targetHostId === env.hostId) throw alreadyHere(entry.record.spec.name);
        const ref = begin(entry, request.targetAddress);
        const peer = env.peer({ hostId: request.targetHostId, address: request.targetAddress });
        const detail = `moves ${entry.record.spec.name}`;
        const task = env.tasks.start('migrate', detail, (handle) =>
          work({ entry, ref, peer, request }, handle),
        );
        running.set(entry.id, { targetHostId: request.targetHostId, task });
        return task;
      }),
    completed: (id, numbers) => {
      if (running.has(id)) numbersOf.set(id, numbers);
    },
    tick: async () => {
      if (book.knowledge() !== 'present') return;
      for (const entry of book.all()) {
        const { movingTo, spec } = entry.record;
        if (movingTo === undefined || running.has(entry.id)) continue;
        const stays = entry.sight?.state === 'running' || entry.sight?.state === 'blocked';
        if (stays && !seenRunning.has(entry.id)) {
          seenRunning.add(entry.id);
          continue;
        }
        const move = { entry, peer: env.peer(movingTo) };
        const settlement = await settle(env, move, [0]);
        if (settlement === 'unsettled') continue;
        if (settlement === 'moved') await left(move, movingTo.name);
        else settled(entry);
        if (settlement === 'stayed') tell(move);
        env.notice('info', 'vm.move-settled', `${spec.name}: ${endedHow[settlement]}`);
      }
    },
  };
}

/** libvirt tells of broken pipes; a person wants to know of hosts. */
function reasonOf(cause: unknown, to: string): string {
  if (!(cause instanceof AppError)) return 'something unexpected happened.';
  const broken = /client socket is closed|End of file|Connection reset|Broken pipe|keepalive|closed it/i;
  if (cause.code.startsWith('libvirt.') && broken.test(cause.message))
    return `the connection to ${to} was lost.`;
  return cause.message;
}

const pick = (numbers: ParamReader | undefined, field: string, as: string): Record<string, number> => {
  const value = numbers?.number(field);
  return value === undefined ? {} : { [as]: value };
};

const alreadyHere = (name: string): AppError =>
  new AppError({
    code: 'vm.already-here',
    family: 'invalid',
    message: `${name} is on this host; it can only move to another one.`,
  });
