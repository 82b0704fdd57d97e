/**
 * Keeps one connection to the daemon open for as long as the agent lives.
 *
 *   connecting --opened--> syncing --resync done--> up --lost--> waiting --back-off--> connecting
 *
 * Ground rules:
 * - events are registered before the world is read (`resync`), so that nothing between the two is missed; an event may
 *   therefore tell what the resync already knows, never the other way round;
 * - a call made while the link is down waits for it, but not longer than `waitMs`;
 * - a call that was under way when the connection ended fails with `libvirt.connection-lost`. It is not repeated here:
 *   only the caller knows whether doing it twice is harmless.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { type AppError, asAppError } from '../contract/error.ts';
import type { Log } from '../log/log.ts';
import { connectionLost } from './errors.ts';
import { type DaemonEvent, type DomainEventKind, eventIdOf } from './events.ts';
import { type OpenOptions, openTransport } from './handshake.ts';
import type { Procedure } from './procedures/shapes.ts';
import { procedures } from './procedures/table.ts';
import type { Caller, CallOptions, Transport } from './transport.ts';

export type LinkOptions = OpenOptions & {
  events: readonly DomainEventKind[];
  /** how long a call waits for a link that is down */
  waitMs?: number;
  /** first and longest pause between two tries */
  retryMs?: { first: number; longest: number };
  /** opening, registering and reading the world together */
  openDeadlineMs?: number;
};

export type LinkHandlers = {
  /** reads the whole state, on every new connection, before any other call is let through */
  resync(caller: Caller): Promise<void>;
  event(event: DaemonEvent): void;
  /** the link went down; `up` follows by itself */
  down?(why: AppError): void;
  up?(): void;
};

export type LinkState = 'connecting' | 'syncing' | 'up' | 'waiting' | 'closed';

export class Link implements Caller {
  readonly #log: Log;
  readonly #options: LinkOptions;
  readonly #handlers: LinkHandlers;
  readonly #stop = new AbortController();
  readonly #done: Promise<void>;
  #state: LinkState = 'connecting';
  #transport: Transport | undefined;
  #whenUp = Promise.withResolvers<Transport>();
  #lastFailure: AppError = connectionLost('it was never open');

  constructor(env: { log: Log }, options: LinkOptions, handlers: LinkHandlers) {
    this.#log = env.log.with({ socket: options.socketPath });
    this.#options = options;
    this.#handlers = handlers;
    this.#done = this.#run();
  }

  get state(): LinkState {
    return this.#state;
  }

  async call<A, R>(procedure: Procedure<A, R>, args: A, options: CallOptions = {}): Promise<R> {
    const transport = this.#state === 'up' ? this.#transport : undefined;
    return (transport ?? (await this.#wait(options.signal))).call(procedure, args, options);
  }

  async close(): Promise<void> {
    this.#state = 'closed';
    this.#stop.abort();
    this.#transport?.close();
    await this.#done;
  }

  async #wait(signal: AbortSignal | undefined): Promise<Transport> {
    const waitMs = this.#options.waitMs ?? 2_000;
    const patience = new AbortController();
    const signals = [patience.signal, this.#stop.signal, ...(signal === undefined ? [] : [signal])];
    const gaveUp = delay(waitMs, undefined, { signal: AbortSignal.any(signals) }).then(
      () => Promise.reject(this.#lastFailure),
      () => Promise.reject(this.#lastFailure),
    );
    try {
      return await Promise.race([this.#whenUp.promise, gaveUp]);
    } finally {
      gaveUp.catch(() => {});
      patience.abort();
    }
  }

  async #run(): Promise<void> {
    const { first, longest } = this.#options.retryMs ?? { first: 100, longest: 5_000 };
    let pause = first;
    while (!this.#stop.signal.aborted) {
      this.#state = 'connecting';
      const lost = Promise.withResolvers<AppError>();
      try {
        const transport = await this.#open(lost.resolve);
        this.#state = 'up';
        pause = first;
        this.#log.info('libvirt: connecting -> up');
        this.#whenUp.resolve(transport);
        this.#handlers.up?.();
        this.#down(await lost.promise);
      } catch (error) {
        this.#transport?.close();
        this.#lastFailure = asAppError(error, 'connecting to libvirt');
        if (!this.#stop.signal.aborted) this.#log.error('libvirt: connecting -> waiting', error);
      }
      if (this.#stop.signal.aborted) break;
      this.#state = 'waiting';
      await delay(pause, undefined, { signal: this.#stop.signal }).catch(() => {});
      pause = Math.min(pause * 2, longest);
    }
    this.#state = 'closed';
  }

  #down(why: AppError): void {
    this.#lastFailure = why;
    this.#whenUp = Promise.withResolvers<Transport>();
    if (this.#stop.signal.aborted) return;
    this.#state = 'waiting';
    this.#log.error('libvirt: up -> waiting', why);
    this.#handlers.down?.(why);
  }

  async #open(lost: (why: AppError) => void): Promise<Transport> {
    const signal = AbortSignal.any([
      this.#stop.signal,
      AbortSignal.timeout(this.#options.openDeadlineMs ?? 20_000),
    ]);
    const transport = await openTransport(
      this.#options,
      {
        event: (event) => this.#event(event),
        unknownEvent: (message) => this.#log.warn('libvirt sent an event that is not known here', message),
        closed: lost,
      },
      signal,
    );
    this.#transport = transport;
    this.#state = 'syncing';
    for (const kind of this.#options.events)
      await transport.call(
        procedures.registerDomainEvent,
        { eventId: eventIdOf(kind), domain: undefined },
        { signal },
      );
    await this.#handlers.resync(transport);
    return transport;
  }

  #event(event: DaemonEvent): void {
    try {
      this.#handlers.event(event);
    } catch (error) {
      // A bug in a listener must not cost the connection.
      this.#log.error(`an event of libvirt could not be handled: ${event.kind}`, error);
    }
  }
}
