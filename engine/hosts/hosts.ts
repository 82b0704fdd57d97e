import type { NodeClient } from '../../node/contract/client.ts';
import { AppError, asAppError } from '../../node/contract/error.ts';
import type { HostId, VmId } from '../../node/contract/ids.ts';
import type { HostState } from '../contract/hosts.ts';
import type { Log } from '../log/log.ts';
import { applyEvent, type Change, emptyPicture, type Picture } from './observe.ts';
import type { HostLink, HostRecord, OpenLink } from './port.ts';

/** A host as the engine sees it now. Others read it; only this module changes it. */
export type HostEntry = {
  readonly record: HostRecord;
  readonly link: HostLink;
  state: Exclude<HostState, 'joining'>;
  reason: string;
  /** undefined until its first full picture */
  picture: Picture | undefined;
  lastSeenAt: Date | undefined;
};

/** It belongs to the cluster; others are being added, or have left. */
export const isMember = ({ record }: Pick<HostEntry, 'record'>): boolean => record.membership === 'member';

export type HostsEnv = {
  open: OpenLink;
  log: Log;
  now(): Date;
  sleep(ms: number, signal: AbortSignal): Promise<void>;
  /** `vms`: those whose report may have changed with the state or the picture */
  onState(entry: HostEntry, vms: VmId[]): void;
  onChange(entry: HostEntry, change: Change): void;
  /** shorter in tests */
  patience?: HostsPatience;
};
export type HostsPatience = {
  /** An agent that is restarted is back sooner; until then its host's VMs keep their last known state. */
  graceMs: number;
  /** between two tries to connect */
  longestWaitMs: number;
};

const usualPatience: HostsPatience = { graceMs: 6_000, longestWaitMs: 5_000 };
const askMs = 5_000;

/**
 *   connecting -> online -> connecting -> online
 *        |          (lost)      |
 *        +-----> unreachable <--+ (not back within the grace)
 *                    |
 *                    +-> online
 * Unreachable says nothing about what runs there.
 */
export class Hosts {
  readonly #env: HostsEnv;
  readonly #entries = new Map<HostId, { entry: HostEntry; stop: AbortController; watching: Promise<void> }>();

  readonly #nudges = new Map<HostId, () => void>();
  readonly #patience: HostsPatience;

  constructor(env: HostsEnv) {
    this.#env = env;
    this.#patience = env.patience ?? usualPatience;
  }

  add(record: HostRecord): HostEntry {
    const known = this.#entries.get(record.id);
    if (known !== undefined) return known.entry;
    const entry: HostEntry = {
      record,
      link: this.#env.open(record),
      state: 'connecting',
      reason: 'The engine is connecting to it.',
      picture: undefined,
      lastSeenAt: undefined,
    };
    const stop = new AbortController();
    this.#entries.set(record.id, { entry, stop, watching: this.#watch(entry, stop.signal) });
    return entry;
  }

  async remove(id: HostId): Promise<void> {
    const known = this.#entries.get(id);
    if (known === undefined) return;
    this.#entries.delete(id);
    this.#nudges.delete(id);
    known.stop.abort();
    await Promise.allSettled([known.watching]);
    await known.entry.link.close();
  }

  /** Something has changed for it: it is connected to now, not when its wait is over. */
  nudge(id: HostId): void {
    this.#nudges.get(id)?.();
  }

  get = (id: HostId): HostEntry | undefined => this.#entries.get(id)?.entry;
  all = (): HostEntry[] => [...this.#entries.values()].map(({ entry }) => entry);
  online = (): HostEntry[] => this.all().filter((entry) => entry.state === 'online');

  /** Resolves when each host has answered, or has had its time to. */
  async settled(withinMs: number, signal: AbortSignal): Promise<void> {
    const end = performance.now() + withinMs;
    while (performance.now() < end && this.all().some((entry) => entry.state === 'connecting'))
      await this.#env.sleep(50, signal);
  }

  need(id: HostId): HostEntry {
    const entry = this.get(id);
    if (entry === undefined)
      throw new AppError({ code: 'host.missing', family: 'missing', message: 'There is no such host.' });
    return entry;
  }

  client(id: HostId): NodeClient {
    return this.need(id).link.client;
  }

  /** Some host that answers; the same one as long as it does. */
  anyOnline(which: (entry: HostEntry) => boolean = () => true): HostEntry {
    const entry = this.online().find(which);
    if (entry === undefined)
      throw new AppError({
        code: 'host.none-online',
        family: 'unavailable',
        message: 'No host that could do this is online.',
        remedy: 'See on the page of hosts what is wrong with them.',
      });
    return entry;
  }

  async stop(): Promise<void> {
    await Promise.all([...this.#entries.keys()].map((id) => this.remove(id)));
  }

  async #watch(entry: HostEntry, signal: AbortSignal): Promise<void> {
    let waitMs = 250;
    while (!signal.aborted) {
      const wasOnline = () => entry.state === 'online';
      try {
        await this.#follow(entry, signal);
      } catch (thrown) {
        if (signal.aborted) return;
        if (wasOnline()) waitMs = 250;
        this.#lost(entry, asAppError(thrown, `watching the host ${entry.record.name}`));
      }
      await this.#pause(entry.record.id, waitMs, signal);
      waitMs = Math.min(waitMs * 2, this.#patience.longestWaitMs);
    }
  }

  /** Ended early by `nudge`, or by the signal. */
  async #pause(id: HostId, ms: number, signal: AbortSignal): Promise<void> {
    const early = new AbortController();
    this.#nudges.set(id, () => early.abort());
    await this.#env.sleep(ms, AbortSignal.any([signal, early.signal])).catch(() => {});
  }

  async #follow(entry: HostEntry, signal: AbortSignal): Promise<void> {
    const asked = AbortSignal.any([signal, AbortSignal.timeout(askMs)]);
    const info = await entry.link.client.call('getHost', {}, { signal: asked }).catch((thrown: unknown) => {
      if (asked.aborted && !signal.aborted) throw noAnswer(entry.record.name);
      throw thrown;
    });
    const fresh = { ...emptyPicture(), info };
    let complete = false;
    for await (const event of entry.link.events(signal)) {
      entry.lastSeenAt = this.#env.now();
      if (complete) {
        for (const change of applyEvent(fresh, event)) this.#env.onChange(entry, change);
        continue;
      }
      for (const change of applyEvent(fresh, event))
        if (change.kind === 'notice') this.#env.onChange(entry, change);
      if (event.kind !== 'snapshot-done') continue;
      complete = true;
      const vms = [...new Set([...(entry.picture?.vms.keys() ?? []), ...fresh.vms.keys()])];
      entry.picture = fresh;
      this.#become(entry, 'online', '', vms);
      for (const name of fresh.volumes.keys()) this.#env.onChange(entry, { kind: 'volume', name });
      for (const task of fresh.tasks.values()) this.#env.onChange(entry, { kind: 'task', task });
    }
  }

  #lost(entry: HostEntry, error: AppError): void {
    const silentMs = this.#env.now().getTime() - (entry.lastSeenAt?.getTime() ?? 0);
    const vms = [...(entry.picture?.vms.keys() ?? [])];
    if (entry.state !== 'unreachable' && entry.lastSeenAt !== undefined && silentMs < this.#patience.graceMs)
      this.#become(entry, 'connecting', 'The connection was lost; the engine is connecting again.', vms);
    else this.#become(entry, 'unreachable', error.message, vms);
  }

  #become(entry: HostEntry, state: HostEntry['state'], reason: string, vms: VmId[]): void {
    const changed = entry.state !== state || entry.reason !== reason;
    if (entry.state !== state)
      this.#env.log.info(
        `host ${entry.record.name}: ${entry.state} -> ${state}${reason === '' ? '' : ` (${reason})`}`,
        {
          host: entry.record.id,
        },
      );
    entry.state = state;
    entry.reason = reason;
    if (changed || state === 'online') this.#env.onState(entry, vms);
  }
}

const noAnswer = (name: string): AppError =>
  new AppError({
    code: 'host.unreachable',
    family: 'unavailable',
    message: `${name} does not answer.`,
    remedy: 'See whether the host is switched on and connected to the management network.',
  });
