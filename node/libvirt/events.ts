import { hyper, int, list, optionalText, struct, text, uhyper, uint } from './codec.ts';
import { domainRef, limit } from './procedures/shapes.ts';
import { typedParams } from './typed-params.ts';
import { type Codec, type Decoded, XdrReader, XdrWriter } from './xdr.ts';

const address = struct({ family: int, node: text, service: text });
const disk = { source: text, alias: text };

/**
 * virDomainEventID, the number under which its messages come, and what they carry after the callback's id.
 * The callback id routes an event to the registration; we have one registration a kind.
 */
const kinds = {
  lifecycle: { id: 0, procedure: 318, body: struct({ domain: domainRef, event: int, detail: int }) },
  reboot: { id: 1, procedure: 319, body: struct({ domain: domainRef }) },
  'rtc-change': { id: 2, procedure: 320, body: struct({ domain: domainRef, offset: hyper }) },
  watchdog: { id: 3, procedure: 321, body: struct({ domain: domainRef, action: int }) },
  'io-error': { id: 4, procedure: 322, body: struct({ domain: domainRef, ...disk, action: int }) },
  graphics: {
    id: 5,
    procedure: 323,
    body: struct({
      domain: domainRef,
      phase: int,
      local: address,
      remote: address,
      authScheme: text,
      subject: list(struct({ type: text, name: text }), 20),
    }),
  },
  'io-error-reason': {
    id: 6,
    procedure: 324,
    body: struct({ domain: domainRef, ...disk, action: int, reason: text }),
  },
  'control-error': { id: 7, procedure: 325, body: struct({ domain: domainRef }) },
  'block-job': {
    id: 8,
    procedure: 326,
    body: struct({ domain: domainRef, path: text, type: int, status: int }),
  },
  'disk-change': {
    id: 9,
    procedure: 327,
    body: struct({
      domain: domainRef,
      oldSource: optionalText,
      newSource: optionalText,
      alias: text,
      reason: int,
    }),
  },
  'tray-change': { id: 10, procedure: 328, body: struct({ domain: domainRef, alias: text, reason: int }) },
  'pm-wakeup': { id: 11, procedure: 329, body: struct({ reason: int, domain: domainRef }) },
  'pm-suspend': { id: 12, procedure: 330, body: struct({ reason: int, domain: domainRef }) },
  'balloon-change': { id: 13, procedure: 331, body: struct({ domain: domainRef, actualKiB: uhyper }) },
  'pm-suspend-disk': { id: 14, procedure: 332, body: struct({ reason: int, domain: domainRef }) },
  'device-removed': { id: 15, procedure: 333, body: struct({ domain: domainRef, alias: text }) },
  'block-job-2': {
    id: 16,
    procedure: 339,
    body: struct({ domain: domainRef, disk: text, type: int, status: int }),
  },
  tunable: {
    id: 17,
    procedure: 346,
    body: struct({ domain: domainRef, params: typedParams(limit.tunable) }),
  },
  'agent-lifecycle': { id: 18, procedure: 348, body: struct({ domain: domainRef, state: int, reason: int }) },
  'device-added': { id: 19, procedure: 354, body: struct({ domain: domainRef, alias: text }) },
  'migration-iteration': { id: 20, procedure: 359, body: struct({ domain: domainRef, iteration: int }) },
  'job-completed': {
    id: 21,
    procedure: 363,
    body: struct({ domain: domainRef, params: typedParams(limit.jobStats) }),
  },
  'device-removal-failed': { id: 22, procedure: 367, body: struct({ domain: domainRef, alias: text }) },
  'metadata-change': {
    id: 23,
    procedure: 379,
    body: struct({ domain: domainRef, type: int, namespace: optionalText }),
  },
  'block-threshold': {
    id: 24,
    procedure: 385,
    body: struct({
      domain: domainRef,
      device: text,
      path: optionalText,
      threshold: uhyper,
      excess: uhyper,
    }),
  },
  'memory-failure': {
    id: 25,
    procedure: 423,
    body: struct({ domain: domainRef, recipient: int, action: int, flags: uint }),
  },
  'memory-device-size': {
    id: 26,
    procedure: 438,
    body: struct({ domain: domainRef, alias: text, size: uhyper }),
  },
  'nic-mac-change': {
    id: 27,
    procedure: 453,
    body: struct({ domain: domainRef, alias: text, oldMac: text, newMac: text }),
  },
} as const;

type Kinds = typeof kinds;
export type DomainEventKind = keyof Kinds;
export type DomainEvent = {
  [K in DomainEventKind]: { readonly kind: K; readonly callbackId: number } & Decoded<Kinds[K]['body']>;
}[DomainEventKind];
/** All that a daemon says unasked and we understand. */
export type DaemonEvent = DomainEvent | { readonly kind: 'closing'; readonly reason: number };

export const domainEventKinds: readonly DomainEventKind[] = Object.keys(kinds) as DomainEventKind[];
export const eventIdOf = (kind: DomainEventKind): number => kinds[kind].id;

/** VIR_CONNECT_CLOSE_REASON, told once before the daemon closes the connection to the hypervisor. */
const closingProcedure = 362;

const byProcedure = new Map<number, { kind: DomainEventKind; body: Codec<object> }>(
  domainEventKinds.map((kind) => [kinds[kind].procedure, { kind, body: kinds[kind].body as Codec<object> }]),
);

/** Reads a message; undefined when its number is none of ours (a newer daemon): the caller logs it. */
export function readEvent(procedure: number, payload: Uint8Array): DaemonEvent | undefined {
  const from = new XdrReader(payload);
  if (procedure === closingProcedure) {
    const reason = from.int();
    from.end();
    return { kind: 'closing', reason };
  }
  const known = byProcedure.get(procedure);
  if (known === undefined) return undefined;
  const callbackId = from.int();
  const body = known.body.read(from);
  from.end();
  // The body was read by the codec of this very kind.
  return { kind: known.kind, callbackId, ...body } as DomainEvent;
}

/** For fakes and tests: a message as a daemon would send it. */
export function writeEvent(event: DomainEvent): { procedure: number; payload: Buffer } {
  const to = new XdrWriter();
  to.int(event.callbackId);
  (kinds[event.kind].body as Codec<object>).write(to, event);
  return { procedure: kinds[event.kind].procedure, payload: to.finish() };
}
