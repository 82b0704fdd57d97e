import { list, struct, text } from './codec.ts';
import { type Codec, GarbageError } from './xdr.ts';

/** virTypedParameter's types by their numbers on the wire. */
const typeNumber = { int: 1, uint: 2, llong: 3, ullong: 4, double: 5, boolean: 6, string: 7 } as const;

export type ParamValue =
  | { readonly type: 'int' | 'uint' | 'double'; readonly value: number }
  | { readonly type: 'llong' | 'ullong'; readonly value: bigint }
  | { readonly type: 'boolean'; readonly value: boolean }
  | { readonly type: 'string'; readonly value: string };
export type TypedParam = { readonly field: string; readonly value: ParamValue };
export type TypedParams = readonly TypedParam[];

const paramValue: Codec<ParamValue> = {
  write(to, param) {
    to.int(typeNumber[param.type]);
    switch (param.type) {
      case 'int':
        to.int(param.value);
        break;
      case 'uint':
        to.uint(param.value);
        break;
      case 'llong':
        to.hyper(param.value);
        break;
      case 'ullong':
        to.uhyper(param.value);
        break;
      case 'double':
        to.double(param.value);
        break;
      case 'boolean':
        to.int(param.value ? 1 : 0);
        break;
      case 'string':
        text.write(to, param.value);
        break;
    }
  },
  read(from) {
    const type = from.int();
    switch (type) {
      case typeNumber.int:
        return { type: 'int', value: from.int() };
      case typeNumber.uint:
        return { type: 'uint', value: from.uint() };
      case typeNumber.llong:
        return { type: 'llong', value: from.hyper() };
      case typeNumber.ullong:
        return { type: 'ullong', value: from.uhyper() };
      case typeNumber.double:
        return { type: 'double', value: from.double() };
      case typeNumber.boolean:
        return { type: 'boolean', value: from.int() !== 0 };
      case typeNumber.string:
        return { type: 'string', value: text.read(from) };
      default:
        // Its length is unknown, so nothing after it can be read either.
        throw new GarbageError(`a parameter of type ${type}`);
    }
  },
};

/** A list of named values, `max` as the protocol limits it for this call. */
export const typedParams = (max: number): Codec<TypedParams> =>
  list(struct({ field: text, value: paramValue }), max);

export const param = {
  int: (field: string, value: number): TypedParam => ({ field, value: { type: 'int', value } }),
  uint: (field: string, value: number): TypedParam => ({ field, value: { type: 'uint', value } }),
  ullong: (field: string, value: bigint): TypedParam => ({ field, value: { type: 'ullong', value } }),
  boolean: (field: string, value: boolean): TypedParam => ({ field, value: { type: 'boolean', value } }),
  string: (field: string, value: string): TypedParam => ({ field, value: { type: 'string', value } }),
};

/** Reads parameters by name. Absent or of another kind: undefined; what the daemon leaves out varies by version. */
export class ParamReader {
  readonly #values: Map<string, ParamValue['value']>;

  constructor(params: TypedParams) {
    this.#values = new Map(params.map((one) => [one.field, one.value.value]));
  }

  get fields(): string[] {
    return [...this.#values.keys()];
  }
  /** Any of the number types. Counters above 2^53 lose their last digits, which no counter of ours reaches. */
  number(field: string): number | undefined {
    const value = this.#values.get(field);
    return typeof value === 'number' || typeof value === 'bigint' ? Number(value) : undefined;
  }
  string(field: string): string | undefined {
    const value = this.#values.get(field);
    return typeof value === 'string' ? value : undefined;
  }
  boolean(field: string): boolean | undefined {
    const value = this.#values.get(field);
    return typeof value === 'boolean' ? value : undefined;
  }
}
