import dbus from 'dbus-next';

/** One connection to a message bus: what dbus-next gives, with variants unwrapped and its end told. */
export type BusCall = {
  destination: string;
  path: string;
  interface: string;
  member: string;
  signature?: string;
  body?: readonly unknown[];
};
export type BusSignal = {
  sender: string;
  path: string;
  interface: string;
  member: string;
  body: readonly unknown[];
};
export type BusConnection = {
  call(call: BusCall): Promise<readonly unknown[]>;
  onSignal(listener: (signal: BusSignal) => void): void;
  /** resolves, with the reason, when the connection is over; calls then never settle by themselves */
  readonly closed: Promise<string>;
  close(): void;
};
/** Rejects when there is no bus; never settles when the bus does not answer: callers have the deadline. */
export type ConnectBus = (socketPath: string) => Promise<BusConnection>;

/** What the bus said no to: `type` is the D-Bus error's name. */
export class BusError extends Error {
  readonly type: string;
  constructor(type: string, text: string) {
    super(text);
    this.name = 'BusError';
    this.type = type;
  }
}

export function variant(signature: string, value: unknown): unknown {
  return new dbus.Variant(signature, value);
}

/** Variants to what they hold, 64-bit numbers to numbers where they fit; zod checks the rest. */
export function unwrap(value: unknown): unknown {
  if (value instanceof dbus.Variant) return unwrap(value.value);
  if (typeof value === 'bigint') {
    const number = Number(value);
    return Number.isSafeInteger(number) ? number : value;
  }
  if (Buffer.isBuffer(value)) return value;
  if (Array.isArray(value)) return value.map(unwrap);
  if (typeof value === 'object' && value !== null)
    return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, unwrap(inner)]));
  return value;
}

/** The part of dbus-next that its types do not show: it tells nobody when the stream ends. */
type WithStream = {
  name: string | null;
  _connection: { stream: { on(event: 'close', listener: () => void): void; destroy(): void } };
  _methodReturnHandlers: Record<string, unknown>;
};

export const connectBus: ConnectBus = (socketPath) =>
  new Promise((resolve, reject) => {
    // `socket=` rather than `path=`: the latter looks for a native module first
    const bus = dbus.sessionBus({ busAddress: `unix:socket=${socketPath}` });
    // pinned version 0.10.2; the field is there in it
    const inner = bus as unknown as WithStream;
    const { stream } = inner._connection;
    let reason = 'the message bus closed the connection';
    const closed = new Promise<string>((over) => {
      bus.on('error', (error: unknown) => {
        reason = error instanceof Error ? error.message : String(error);
        reject(error);
        stream.destroy();
        over(reason);
      });
      stream.on('close', () => {
        over(reason);
        reject(new Error(reason));
      });
    });
    // A bus that refuses us its first answer (it has too many clients): dbus-next would throw where nobody can catch it.
    bus.on('message', (message) => {
      if (inner.name !== null || message.type !== dbus.MessageType.ERROR) return;
      if (message.replySerial !== null) delete inner._methodReturnHandlers[String(message.replySerial)];
      reason = `the message bus refused: ${message.errorName} ${message.body.join(' ')}`.trim();
      stream.destroy();
    });
    bus.on('connect', () =>
      resolve({
        closed,
        close: () => stream.destroy(),
        async call(call) {
          try {
            const reply = await bus.call(
              new dbus.Message({
                destination: call.destination,
                path: call.path,
                interface: call.interface,
                member: call.member,
                ...(call.signature === undefined
                  ? {}
                  : { signature: call.signature, body: [...(call.body ?? [])] }),
              }),
            );
            return (reply?.body ?? []).map(unwrap);
          } catch (error) {
            if (error instanceof dbus.DBusError) throw new BusError(error.type, error.text);
            throw error;
          }
        },
        onSignal(listener) {
          bus.on('message', (message) => {
            if (message.type !== dbus.MessageType.SIGNAL) return;
            const { sender, path, member } = message;
            listener({
              sender,
              path,
              interface: message.interface,
              member,
              body: message.body.map(unwrap),
            });
          });
        },
      }),
    );
  });
