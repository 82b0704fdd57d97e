/** 32 characters, none that is read or typed as another (no I, L, O, U): five bits each, eight make 40 bits. */
const alphabet = '0123456789ABCDEFGHJKMNPQRSTVWXYZ';

export type RandomBytes = (size: number) => Buffer;

export function newCode(random: RandomBytes): string {
  return [...random(8)].map((byte) => alphabet[byte % 32]).join('');
}

/** As people see it: K7QM2XRA is shown as K7QM-2XRA. */
export const shownCode = (code: string): string => `${code.slice(0, 4)}-${code.slice(4)}`;
