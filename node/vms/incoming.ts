/**
 * The target's side of a live migration.
 *
 *   expected --domain appears (paused)--> on its way --resumed--> arrived: it is like any other VM here
 *       \---forget, or nobody comes-------> gone
 *
 * Ground rules:
 * - a VM is announced by the host that runs it before anything comes, and only that host gets tunnels, only meanwhile;
 * - an answer to `forget` is a promise: the VM is not here and cannot come any more, so its source may run it;
 * - a crash of this agent ends the tunnels, and with them the migration; the record says that it was only expected.
 */
import type { Duplex } from 'node:stream';
import type { Clock } from '../clock/clock.ts';
import { AppError } from '../contract/error.ts';
import type { VmId } from '../contract/ids.ts';
import type { VmExpect, VmSpec } from '../contract/vms.ts';
import type { LibvirtClient } from '../libvirt/client.ts';
import type { Log } from '../log/log.ts';
import type { Book, Entry } from './book.ts';
import { isMoving, stillRuns } from './failure.ts';

export type IncomingEnv = {
  book: Book;
  libvirt: Pick<LibvirtClient, 'destroy'>;
  accelerator(): Promise<'kvm' | 'tcg'>;
  bridgeOf(network: string): string;
  /** its disks can be opened here, its seed is there */
  prepare(spec: VmSpec): Promise<void>;
  forgetLog(id: VmId): Promise<void>;
  writeHistory(id: VmId, history: Buffer): Promise<void>;
  /** this host's libvirt, only for the calls of a migration */
  openLibvirt(): Promise<Duplex>;
  /** the socket on which the incoming QEMU of this VM listens */
  openMemory(id: VmId): Promise<Duplex>;
  hostName(): string;
  clock: Clock;
  log: Log;
};

export type Incoming = {
  expect(id: string, hostId: string, wanted: VmExpect): Promise<{ hostName: string }>;
  forget(id: string, hostId: string): Promise<void>;
  libvirtTunnel(hostId: string): Promise<Duplex>;
  memoryTunnel(id: string, hostId: string): Promise<Duplex>;
  /** what the VM wrote before it came, once, from the host that it came from */
  takeHistory(id: string, hostId: string, history: Buffer): Promise<void>;
  /** ends expectations that nobody keeps up */
  tick(): Promise<void>;
};

const patienceMs = 30_000;
const vanishMs = 10_000;

export function makeIncoming(env: IncomingEnv): Incoming {
  const { book, clock, log } = env;
  const tunnels = new Map<string, Set<Duplex>>();
  const idleSinceMs = new Map<string, number>();
  const cameFrom = new Map<string, string>();

  const isExpected = (entry: Entry | undefined, hostId: string): boolean =>
    entry?.doing.kind === 'moving-in' && entry.record.expectedFrom === hostId;

  const expect = async (id: string, hostId: string, wanted: VmExpect) => {
    if (book.knowledge() !== 'present') throw notReady();
    const { spec, generation, accelerator, startedAt } = wanted;
    const present = book.find(id);
    if (spec.id !== id || hostId === '') throw notExpected();
    if (present !== undefined && book.isAlive(present))
      throw stillRuns(present.record.spec.name, `${book.statusOf(present).state} on ${env.hostName()}`);
    if (present?.doing.kind === 'moving-in' && present.record.expectedFrom !== hostId)
      throw isMoving(present.record.spec.name);
    if (accelerator === 'kvm' && (await env.accelerator()) !== 'kvm') throw noKvm(spec.name, env.hostName());
    for (const nic of spec.nics) env.bridgeOf(nic.network);
    await env.prepare(spec);
    await env.forgetLog(spec.id);
    const entry = book.add(
      {
        generation,
        spec,
        accelerator,
        power: 'running',
        expectedFrom: hostId,
        last: { state: 'off', reason: 'It did not arrive.' },
        ...(startedAt === undefined ? {} : { startedAt }),
      },
      { doing: { kind: 'moving-in', from: wanted.fromName } },
    );
    idleSinceMs.set(id, clock.now());
    cameFrom.set(id, hostId);
    await book.save(entry);
    return { hostName: env.hostName() };
  };

  const dropTunnels = (id: string) => {
    for (const tunnel of tunnels.get(id) ?? []) tunnel.destroy();
    tunnels.delete(id);
    idleSinceMs.delete(id);
  };

  /** Without the source's connection libvirt ends what it had prepared; if it does not, we do. */
  const untilGone = async (entry: Entry): Promise<void> => {
    const end = clock.now() + vanishMs;
    while (entry.sight !== undefined && clock.now() < end) await clock.sleep(50);
    if (entry.sight === undefined || entry.ref === undefined) return;
    await env.libvirt.destroy(entry.ref).catch((error) => {
      if (!(error instanceof AppError && error.code === 'libvirt.no-domain')) throw error;
    });
    book.ended(entry, { state: 'off', reason: 'It did not arrive.' });
  };

  const forget = async (id: string, hostId: string): Promise<void> => {
    const entry = book.find(id);
    if (entry === undefined) return;
    if (!isExpected(entry, hostId)) {
      if (book.isAlive(entry)) throw hasArrived(entry.record.spec.name);
      return;
    }
    dropTunnels(id);
    await untilGone(entry);
    // It may have arrived while this waited.
    if (entry.doing.kind !== 'moving-in') throw hasArrived(entry.record.spec.name);
    cameFrom.delete(id);
    await book.remove(entry, 'It did not arrive.');
  };

  const kept = (id: string, tunnel: Duplex): Duplex => {
    const open = tunnels.get(id) ?? new Set();
    tunnels.set(id, open.add(tunnel));
    tunnel.once('close', () => {
      open.delete(tunnel);
      if (idleSinceMs.has(id)) idleSinceMs.set(id, clock.now());
    });
    return tunnel;
  };

  return {
    expect: (id, hostId, wanted) => book.inTurn(id, () => expect(id, hostId, wanted)),
    forget: (id, hostId) =>
      book.inTurn(id, async () => {
        // What libvirt has here is not known: a promise now could be a lie.
        if (book.knowledge() !== 'present') throw notReady();
        await forget(id, hostId);
      }),
    libvirtTunnel: async (hostId) => {
      const entry = book.all().find((one) => isExpected(one, hostId));
      if (entry === undefined) throw notExpected();
      return kept(entry.id, await env.openLibvirt());
    },
    memoryTunnel: async (id, hostId) => {
      const entry = book.find(id);
      if (entry === undefined || !isExpected(entry, hostId)) throw notExpected();
      return kept(id, await env.openMemory(entry.id));
    },
    takeHistory: async (id, hostId, history) => {
      if (cameFrom.get(id) !== hostId) throw notExpected();
      cameFrom.delete(id);
      await env.writeHistory(book.need(id).id, history);
    },
    tick: async () => {
      for (const [id, since] of idleSinceMs) {
        const entry = book.find(id);
        const from = entry?.record.expectedFrom;
        if (entry?.doing.kind !== 'moving-in' || from === undefined) {
          idleSinceMs.delete(id);
          tunnels.delete(id);
        } else if ((tunnels.get(id)?.size ?? 0) === 0 && clock.now() - since > patienceMs) {
          log.warn('a VM that was announced did not come', { vm: id, from });
          await book.inTurn(id, () => forget(id, from)).catch((error) => log.error('not forgotten', error));
        }
      }
    },
  };
}

const notExpected = (): AppError =>
  new AppError({
    code: 'vm.not-expected',
    family: 'conflict',
    message: 'No VM is expected here from that host.',
  });

const hasArrived = (name: string): AppError =>
  new AppError({ code: 'vm.arrived', family: 'conflict', message: `${name} has arrived and runs here.` });

const notReady = (): AppError =>
  new AppError({
    code: 'libvirt.not-ready',
    family: 'unavailable',
    message: 'libvirt on the other host does not answer, so no VM can move there.',
    retry: 'other-host',
  });

const noKvm = (name: string, host: string): AppError =>
  new AppError({
    code: 'host.no-kvm',
    family: 'conflict',
    message: `${name} runs with hardware virtualization, which ${host} does not have.`,
    retry: 'other-host',
  });
