import type { Clock } from '../clock/clock.ts';
import { AppError } from '../contract/error.ts';
import type { LibvirtClient } from '../libvirt/client.ts';
import type { DomainRef } from '../libvirt/procedures/shapes.ts';
import type { Log } from '../log/log.ts';
import type { Book, Entry } from './book.ts';
import { nothing, type Sight } from './model.ts';
import type { Peer } from './peer.ts';

export type SettleEnv = {
  book: Book;
  libvirt: Pick<LibvirtClient, 'lookup' | 'state' | 'resume' | 'destroy'>;
  clock: Clock;
  log: Log;
};

/** Where a VM is after a move that libvirt did not call a success. */
export type Settlement =
  /** it runs here, as before */
  | 'stayed'
  /** it runs on the target after all */
  | 'moved'
  /** it has ended: crashed, or was stopped meanwhile */
  | 'ended'
  /** it stands still here, or is gone, and the target does not say whether it has it */
  | 'unsettled';

export const endedHow: Record<Settlement, string> = {
  stayed: 'It still runs where it was.',
  moved: 'It runs there now.',
  ended: 'It has ended meanwhile.',
  unsettled: 'It does not go on until the other host has said whether it has it.',
};

export type Lost = { entry: Entry; peer: Peer; giveUp?: AbortSignal };

const triesMs: readonly number[] = [0, 500, 1_000, 2_000, 4_000, 8_000, 15_000, 30_000];

/** A target that is not told ends its expectation by itself; nothing here depends on its answer. */
export async function tellTarget(env: SettleEnv, lost: Lost): Promise<void> {
  await ask(env, lost, triesMs);
}

/** The target's word: its promise that it has nothing and will not, or that the VM runs there. */
async function ask(
  env: SettleEnv,
  { peer, entry, giveUp }: Lost,
  tries: readonly number[],
): Promise<'nothing' | 'has-it' | 'silent'> {
  for (const wait of tries) {
    await env.clock.sleep(wait, giveUp).catch(() => {});
    if (giveUp?.aborted === true) return 'silent';
    try {
      await peer.client.call('forgetExpectedVm', { params: { id: entry.id } });
      return 'nothing';
    } catch (error) {
      if (error instanceof AppError && error.code === 'vm.arrived') return 'has-it';
      env.log.error('the target does not say whether it has the VM', error, { vm: entry.id });
    }
  }
  return 'silent';
}

async function look(
  env: SettleEnv,
  { entry }: Lost,
  tries: readonly number[],
): Promise<{ ref: DomainRef; sight: Sight } | undefined> {
  for (const wait of tries) {
    await env.clock.sleep(wait);
    try {
      const ref = await env.libvirt.lookup(entry.id);
      return { ref, sight: await env.libvirt.state(ref) };
    } catch (error) {
      if (error instanceof AppError && error.code === 'libvirt.no-domain') return undefined;
      env.log.error('libvirt does not say what became of the VM', error, { vm: entry.id });
    }
  }
  throw new AppError({
    code: 'libvirt.not-ready',
    family: 'unavailable',
    message: 'libvirt on this host does not answer.',
  });
}

const runs = ({ state }: Sight): boolean => state === 'running' || state === 'blocked';

/**
 * After a move that failed. A VM that runs here is here: libvirt let it go on before the target had it. One that stands
 * still may have been taken over in the moment in which the answer was lost, so the target is asked first.
 */
export async function settle(
  env: SettleEnv,
  lost: Lost,
  tries: readonly number[] = triesMs,
): Promise<Settlement> {
  const { book, libvirt } = env;
  const { entry } = lost;
  const free = () => book.change(entry, { doing: nothing });
  const here = await look(env, lost, tries).catch((error) => {
    free();
    throw error;
  });
  if (here !== undefined && runs(here.sight)) {
    book.hear(entry, here.sight, here.ref);
    free();
    return 'stayed';
  }
  const word = await ask(env, { entry, peer: lost.peer }, tries);
  if (word === 'has-it') {
    if (entry.doing.kind === 'nothing')
      book.change(entry, { doing: { kind: 'moving-out', to: 'another host' } });
    if (here !== undefined)
      await libvirt.destroy(here.ref).catch((error) => env.log.error('not ended', error));
    return 'moved';
  }
  if (here === undefined) {
    book.ended(entry, endingOf(entry));
    free();
    return word === 'silent' ? 'unsettled' : 'ended';
  }
  if (word === 'nothing' && here.sight.reason === 'migrating') {
    await libvirt.resume(here.ref);
    book.hear(entry, { state: 'running', reason: 'migration cancelled' }, here.ref);
    free();
    return 'stayed';
  }
  book.hear(entry, here.sight, here.ref);
  free();
  return word === 'nothing' ? 'stayed' : 'unsettled';
}

/** libvirt's event has told it; without one, nobody knows more. */
const endingOf = ({ record: { last } }: Entry): { state: 'off' | 'crashed'; reason: string } =>
  last.state === 'alive' ? { state: 'off', reason: 'It ended while it was being moved.' } : last;
