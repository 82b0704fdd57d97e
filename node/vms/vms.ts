import { isDeepStrictEqual } from 'node:util';
import type { Clock } from '../clock/clock.ts';
import { AppError } from '../contract/error.ts';
import type { VmAction, VmPut, VmSpec, VmStatus } from '../contract/vms.ts';
import type { LibvirtClient } from '../libvirt/client.ts';
import { powerFlag } from '../libvirt/constants.ts';
import type { Book, Entry } from './book.ts';
import { isMoving, notKnownYet, notRunning, startFailure, stillRuns } from './failure.ts';
import type { VmMetadata } from './metadata.ts';
import { endingOf, nothing } from './model.ts';
import type { VmRecord } from './spec-store.ts';

export type VmsEnv = {
  book: Book;
  libvirt: Pick<
    LibvirtClient,
    'createXml' | 'destroy' | 'shutdown' | 'reboot' | 'reset' | 'lookup' | 'state'
  >;
  accelerator(): Promise<'kvm' | 'tcg'>;
  domainXml(metadata: VmMetadata): string;
  /** all that must be there before the domain: disks that QEMU may open, the seed, the sockets' folder */
  prepare(spec: VmSpec): Promise<void>;
  /** what is made for the VM besides its disks */
  cleanUp(spec: VmSpec): Promise<void>;
  clock: Clock;
  now(): Date;
};

/** What the contract's routes ask of a host's VMs. Carried out one after the other for each VM. */
export type Vms = {
  list(): VmStatus[];
  get(id: string): VmStatus;
  put(id: string, wanted: VmPut): Promise<VmStatus>;
  remove(id: string): Promise<void>;
  act(id: string, action: VmAction): Promise<VmStatus>;
};

const startMs = 60_000;
const stopMs = 30_000;
const shutdownMs = 20_000;
/** a guest that was asked to end and still runs after that has not listened */
const guestPatienceMs = 120_000;
const syncMs = 5_000;

export function makeVms(env: VmsEnv): Vms {
  const { book, libvirt, clock } = env;

  /** Without it a domain that runs would be taken for one that does not. */
  const requireKnowledge = async () => {
    const end = clock.now() + syncMs;
    while (book.knowledge() === 'not-yet' && clock.now() < end) await clock.sleep(50);
    if (book.knowledge() === 'not-yet') throw notKnownYet();
  };

  const start = async (entry: Entry): Promise<void> => {
    const before = entry.words;
    book.change(entry, { doing: { kind: 'starting' } });
    try {
      const metadata: VmMetadata = {
        generation: entry.record.generation,
        accelerator: await env.accelerator(),
        startedAt: env.now().toISOString(),
        spec: entry.record.spec,
      };
      const { accelerator, startedAt } = metadata;
      const last: VmRecord['last'] = { state: 'alive', bootId: book.bootId };
      book.change(entry, { record: { ...entry.record, accelerator, startedAt, last } });
      await Promise.all([book.save(entry), env.prepare(entry.record.spec)]);
      const ref = await libvirt.createXml(env.domainXml(metadata), {}, { deadlineMs: startMs });
      // An event may have said more already, even that it has ended again.
      if (entry.words === before) book.hear(entry, { state: 'running', reason: 'booted' }, ref);
      book.change(entry, { doing: nothing });
    } catch (thrown) {
      const failure = startFailure(thrown, entry.record.spec);
      if (await runsAfterAll(entry)) {
        book.change(entry, { doing: nothing });
        return;
      }
      const reason = failure instanceof AppError ? failure.message : 'It could not be started.';
      book.ended(entry, { state: 'off', reason });
      throw failure;
    }
  };

  /** The answer was lost, or somebody was faster: then it is there, whatever the call said. */
  const runsAfterAll = async (entry: Entry): Promise<boolean> => {
    if (entry.sight !== undefined) return true;
    try {
      const ref = await libvirt.lookup(entry.id);
      book.hear(entry, await libvirt.state(ref), ref);
      return true;
    } catch (error) {
      // Not known is not "no": the next look at libvirt tells.
      return error instanceof AppError && error.family === 'unavailable';
    }
  };

  const put = async (id: string, wanted: VmPut): Promise<VmStatus> => {
    await requireKnowledge();
    if (wanted.spec.id !== id)
      throw new AppError({
        code: 'vm.other-id',
        family: 'invalid',
        message: 'The id in the path and the id in the spec are not the same.',
      });
    const present = book.find(id);
    if (present !== undefined) refuseOlder(present.record, wanted);
    if (present?.doing.kind === 'moving-in' || present?.doing.kind === 'moving-out')
      throw isMoving(present.record.spec.name);
    // It may run where it was going; that host is asked again and again.
    if (present?.record.movingTo !== undefined && wanted.power === 'running' && !book.isAlive(present))
      throw isMoving(present.record.spec.name);
    const { generation, power, spec } = wanted;
    const entry =
      present ??
      book.add({ generation, power, spec, last: { state: 'off', reason: 'It was never started here.' } });
    const changed = !isDeepStrictEqual(
      { generation, power, spec },
      { generation: entry.record.generation, power: entry.record.power, spec: entry.record.spec },
    );
    if (changed) book.change(entry, { record: { ...entry.record, generation, power, spec } });
    if (power === 'running' && !book.isAlive(entry)) await start(entry);
    else if (changed || present === undefined) await book.save(entry);
    return book.statusOf(entry);
  };

  const stop = async (entry: Entry): Promise<void> => {
    if (entry.ref === undefined) return;
    const { words } = entry;
    try {
      await libvirt.destroy(entry.ref, 0, { deadlineMs: stopMs });
    } catch (error) {
      if (!(error instanceof AppError && error.code === 'libvirt.no-domain')) throw error;
    }
    // The event says the same, a moment before or after.
    if (entry.words === words || entry.sight !== undefined) book.ended(entry, endingOf('stopped'));
  };

  const act = async (id: string, action: VmAction): Promise<VmStatus> => {
    await requireKnowledge();
    const entry = book.need(id);
    const { name } = entry.record.spec;
    if (entry.doing.kind === 'moving-in') throw isMoving(name);
    if (entry.ref === undefined || entry.sight === undefined)
      throw notRunning(name, book.statusOf(entry).state);
    try {
      switch (action) {
        case 'stop':
          book.change(entry, { record: { ...entry.record, power: 'off' } });
          await stop(entry);
          break;
        case 'shutdown': {
          if (entry.doing.kind === 'moving-out') throw isMoving(name);
          await libvirt.shutdown(entry.ref, powerFlag.acpi | powerFlag.guestAgent, {
            deadlineMs: shutdownMs,
          });
          const untilMs = clock.now() + guestPatienceMs;
          book.change(entry, {
            record: { ...entry.record, power: 'off' },
            ...(entry.sight === undefined ? {} : { doing: { kind: 'asked-to-end', untilMs } }),
          });
          await book.save(entry);
          break;
        }
        case 'reboot':
          if (entry.doing.kind === 'moving-out') throw isMoving(name);
          await libvirt.reboot(entry.ref, powerFlag.acpi | powerFlag.guestAgent, { deadlineMs: shutdownMs });
          break;
        case 'reset':
          await libvirt.reset(entry.ref);
          break;
      }
    } catch (error) {
      if (error instanceof AppError && error.code === 'libvirt.no-domain')
        throw notRunning(name, book.statusOf(entry).state);
      throw error;
    }
    return book.statusOf(entry);
  };

  const remove = async (id: string): Promise<void> => {
    await requireKnowledge();
    const entry = book.find(id);
    if (entry === undefined) return;
    if (entry.doing.kind === 'moving-in' || entry.doing.kind === 'moving-out')
      throw isMoving(entry.record.spec.name);
    if (book.isAlive(entry)) throw stillRuns(entry.record.spec.name, book.statusOf(entry).state);
    await env.cleanUp(entry.record.spec);
    await book.remove(entry, 'It was deleted.');
  };

  return {
    list: () => book.all().map(book.statusOf),
    get: (id) => book.statusOf(book.need(id)),
    put: (id, wanted) => book.inTurn(id, () => put(id, wanted)),
    remove: (id) => book.inTurn(id, () => remove(id)),
    act: (id, action) => book.inTurn(id, () => act(id, action)),
  };
}

function refuseOlder(record: VmRecord, wanted: VmPut): void {
  if (wanted.generation >= record.generation) return;
  throw new AppError({
    code: 'vm.older-generation',
    family: 'conflict',
    message: `This host was already told something newer about ${record.spec.name}.`,
    details: { generation: record.generation },
  });
}
