import type { Clock } from '../clock/clock.ts';
import { AppError } from '../contract/error.ts';
import type { Log } from '../log/log.ts';
import { type BusCall, type BusConnection, BusError, type BusSignal, type ConnectBus } from './connection.ts';

/**
 * The system bus, for as long as the agent lives: connects when first used, connects again when the bus goes away, and
 * asks for its signals again then. A call that was under way when the bus went away fails with `bus.lost` (what it
 * did is not known); a call made while there is none waits for the next connection, up to its deadline.
 */
export type SignalMatch = { sender: string; path?: string; interface: string; member: string };
export type Bus = {
  call(call: BusCall, options?: { timeoutMs?: number; signal?: AbortSignal }): Promise<readonly unknown[]>;
  /** `listener` gets matching signals; resolves when the bus has taken the wish, or there is no bus now */
  subscribe(match: SignalMatch, listener: (signal: BusSignal) => void): Promise<() => void>;
  /** called after each new connection: signals may have been missed before it, so read the state again */
  onConnected(listener: () => void): () => void;
  close(): void;
};

export type BusEnv = { connect: ConnectBus; clock: Clock; log: Log };

export const systemBusSocket = '/run/dbus/system_bus_socket';
const defaultTimeoutMs = 10_000;
const connectTimeoutMs = 5_000;
const pauseMs = { first: 100, most: 5_000 };

const ruleOf = (match: SignalMatch): string =>
  [
    "type='signal'",
    `sender='${match.sender}'`,
    ...(match.path === undefined ? [] : [`path='${match.path}'`]),
    `interface='${match.interface}'`,
    `member='${match.member}'`,
  ].join(',');

const fits = (match: SignalMatch, signal: BusSignal): boolean =>
  match.interface === signal.interface &&
  match.member === signal.member &&
  (match.path === undefined || match.path === signal.path);

const daemon = {
  destination: 'org.freedesktop.DBus',
  path: '/org/freedesktop/DBus',
  interface: 'org.freedesktop.DBus',
} as const;

const addMatch = (link: BusConnection, rule: string) =>
  link.call({ ...daemon, member: 'AddMatch', signature: 's', body: [rule] });

const busError = (error: BusError, call: BusCall): AppError => {
  const missing = /Error\.(ServiceUnknown|NameHasNoOwner|Spawn\.)/.test(error.type);
  return new AppError({
    code: missing ? 'bus.no-such-service' : 'bus.refused',
    family: missing ? 'unavailable' : 'conflict',
    message: `${call.destination} refused ${call.member}: ${error.message}`,
    details: { error: error.type },
    cause: error,
  });
};

export function makeBus(env: BusEnv, socketPath: string = systemBusSocket): Bus {
  const over = new AbortController();
  const subscriptions = new Set<{ match: SignalMatch; listener: (signal: BusSignal) => void }>();
  const connectedListeners = new Set<() => void>();
  let current: Promise<BusConnection> | undefined;
  let known: BusConnection | undefined;

  const within = async <T>(work: Promise<T>, ms: number, what: string, signal?: AbortSignal): Promise<T> => {
    const timer = new AbortController();
    const stop = signal === undefined ? timer.signal : AbortSignal.any([timer.signal, signal]);
    try {
      return await Promise.race([
        work,
        env.clock.sleep(ms, stop).then(() => {
          throw new AppError({
            code: 'bus.timed-out',
            family: 'unavailable',
            message: `${what} did not answer within ${Math.round(ms / 100) / 10} s.`,
          });
        }),
      ]);
    } finally {
      timer.abort();
    }
  };

  async function connectOnce(): Promise<BusConnection> {
    const connection = await within(env.connect(socketPath), connectTimeoutMs, 'The message bus');
    connection.onSignal((signal) => {
      for (const { match, listener } of subscriptions) if (fits(match, signal)) listener(signal);
    });
    // who subscribes while we are at it is served too: `known` is set in the same step that finds nothing left to ask
    const asked = new Set<string>();
    for (;;) {
      const rule = [...subscriptions].map((one) => ruleOf(one.match)).find((one) => !asked.has(one));
      if (rule === undefined) {
        known = connection;
        return connection;
      }
      asked.add(rule);
      await within(addMatch(connection, rule), connectTimeoutMs, 'The message bus');
    }
  }

  async function connectUntilThere(): Promise<BusConnection> {
    for (let pause = pauseMs.first; ; pause = Math.min(pause * 2, pauseMs.most)) {
      over.signal.throwIfAborted();
      try {
        return await connectOnce();
      } catch (error) {
        if (pause === pauseMs.first) env.log.warn('message bus: not connected', { reason: String(error) });
        await env.clock.sleep(pause, over.signal);
      }
    }
  }

  function connection(): Promise<BusConnection> {
    if (current !== undefined) return current;
    const mine = connectUntilThere().then((made) => {
      void made.closed.then((reason) => {
        if (current === mine) {
          current = undefined;
          known = undefined;
        }
        if (over.signal.aborted) return;
        env.log.warn('message bus: connected -> lost', { reason });
        // signals are wanted all the time, so do not wait for the next call
        if (subscriptions.size > 0) connection().catch(() => undefined);
      });
      for (const listener of connectedListeners) listener();
      return made;
    });
    current = mine;
    mine.catch(() => {
      if (current === mine) current = undefined;
    });
    return mine;
  }

  return {
    async call(call, { timeoutMs = defaultTimeoutMs, signal } = {}) {
      signal?.throwIfAborted();
      const started = env.clock.now();
      const link = await within(connection(), timeoutMs, 'The message bus', signal);
      const lost = link.closed.then((reason) => {
        throw new AppError({
          code: 'bus.lost',
          family: 'unavailable',
          message: `The message bus went away during ${call.member}; whether it was done is not known.`,
          details: { reason },
        });
      });
      const left = Math.max(1, timeoutMs - (env.clock.now() - started));
      try {
        return await within(Promise.race([link.call(call), lost]), left, call.destination, signal);
      } catch (error) {
        throw error instanceof BusError ? busError(error, call) : error;
      }
    },

    async subscribe(match, listener) {
      const entry = { match, listener };
      const rule = ruleOf(match);
      const isNew = ![...subscriptions].some((one) => ruleOf(one.match) === rule);
      subscriptions.add(entry);
      const link = known;
      if (link === undefined) connection().catch(() => undefined);
      else if (isNew)
        await within(addMatch(link, rule), defaultTimeoutMs, 'The message bus').catch(() => link.close()); // the next connection asks for all of them
      return () => {
        subscriptions.delete(entry);
        if ([...subscriptions].some((one) => ruleOf(one.match) === rule)) return;
        known
          ?.call({ ...daemon, member: 'RemoveMatch', signature: 's', body: [rule] })
          .catch(() => undefined);
      };
    },

    onConnected(listener) {
      connectedListeners.add(listener);
      return () => void connectedListeners.delete(listener);
    },

    close() {
      over.abort(new Error('the bus was closed'));
      known?.close();
    },
  };
}
