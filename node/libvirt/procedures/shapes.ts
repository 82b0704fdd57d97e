import { int, nothing, optional, struct, text, uuid } from '../codec.ts';
import type { Codec, Decoded } from '../xdr.ts';

export const program = { remote: 0x20008086, qemu: 0x20008087, keepAlive: 0x6b656570 } as const;
export const programVersion = 1;

/** One call of the daemon: its number is fixed for ever, the two codecs are its two structs. */
export type Procedure<A, R> = {
  readonly name: string;
  readonly program: number;
  readonly number: number;
  readonly args: Codec<A>;
  readonly ret: Codec<R>;
  /** after the answer, bytes flow under the same serial */
  readonly stream: boolean;
};
export type ArgsOf<P> = P extends Procedure<infer A, infer _> ? A : never;
export type RetOf<P> = P extends Procedure<infer _, infer R> ? R : never;

type Empty = Decoded<typeof nothing>;
type Shape<A, R> = { args?: Codec<A>; ret?: Codec<R>; stream?: true; program?: number };

export function procedure<A = Empty, R = Empty>(
  name: string,
  number: number,
  shape: Shape<A, R> = {},
): Procedure<A, R> {
  return {
    name,
    number,
    program: shape.program ?? program.remote,
    // Without a codec A and R are their default, which is what `nothing` reads and writes.
    args: shape.args ?? (nothing as Codec<unknown> as Codec<A>),
    ret: shape.ret ?? (nothing as Codec<unknown> as Codec<R>),
    stream: shape.stream ?? false,
  };
}

/** The limits of the lists, as the protocol states them. */
export const limit = {
  domains: 16_384,
  cookieBytes: 4 * 1024 * 1024,
  nodeDevices: 65_536,
  secrets: 16_384,
  secretBytes: 65_536,
  snapshots: 16_384,
  checkpoints: 16_384,
  authTypes: 20,
  allDomainStats: 262_144,
  memoryStats: 1_024,
  migrateParams: 64,
  jobStats: 64,
  blockIoTune: 32,
  blockCopyParams: 16,
  interfaceParams: 16,
  cpuModels: 8_192,
  cpuBaseline: 256,
  nodeStats: 16,
  cells: 1_024,
  keys: 16,
  diskErrors: 256,
  mountPoints: 256,
  fsDisks: 256,
  interfaces: 2_048,
  addresses: 2_048,
  guestInfo: 2_048,
  tunable: 2_048,
  sevInfo: 64,
} as const;

/** How the daemon names a domain; `id` is -1 while it does not run. Lookups go by `uuid`. */
export const domainRef = struct({ name: text, uuid, id: int });
export type DomainRef = Decoded<typeof domainRef>;
export const optionalDomainRef = optional(domainRef);

export const secretRef = struct({ uuid, usageType: int, usageId: text });
export const snapshotRef = struct({ name: text, domain: domainRef });
export const checkpointRef = struct({ name: text, domain: domainRef });
export const networkRef = struct({ name: text, uuid });
