import type { RemoteError } from '../../../node/libvirt/errors.ts';
import type { ProcedureName } from '../../../node/libvirt/procedures/table.ts';

/** What a daemon can do instead of answering properly. */
export type Fault =
  /** refuses, with these fields of the error */
  | { kind: 'error'; error: Partial<RemoteError> }
  /** never answers, lives on */
  | { kind: 'silence' }
  | { kind: 'hang-up' }
  /** does what was asked, then hangs up without saying so */
  | { kind: 'hang-up-after' }
  | { kind: 'garbage'; bytes: Uint8Array }
  /** answers with the last 4 bytes missing */
  | { kind: 'short' }
  /** answers with 4 bytes too many */
  | { kind: 'long' }
  | { kind: 'wrong-serial' }
  | { kind: 'wrong-procedure' }
  | { kind: 'twice' }
  | { kind: 'late'; afterMs: number }
  | { kind: 'byte-by-byte' };

/** One fault for every call, or a list: one for each call in turn, `undefined` for none, none after its end. */
export type FaultTable = { [N in ProcedureName]?: Fault | (Fault | undefined)[] };

export function nextFault(table: FaultTable, name: ProcedureName): Fault | undefined {
  const entry = table[name];
  return Array.isArray(entry) ? entry.shift() : entry;
}

/** libvirt's error codes that the fake itself gives. */
export const errorCode = { noSupport: 3, noDomain: 42, invalidOperation: 55, domainExists: 9 } as const;

export const remoteErrorOf = (given: Partial<RemoteError>): RemoteError => ({
  code: 1,
  domain: 10,
  message: 'it did not work',
  level: 2,
  vm: undefined,
  text1: undefined,
  text2: undefined,
  text3: undefined,
  int1: -1,
  int2: -1,
  network: undefined,
  ...given,
});
