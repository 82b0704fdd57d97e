import { randomBytes } from 'node:crypto';
import { AppError } from '../../node/contract/error.ts';
import type { VmId } from '../../node/contract/ids.ts';

/**
 * Tickets for the console: a WebSocket cannot carry the CSRF header, so an ordinary, authorized request gets a random
 * ticket first. It opens that one VM's console once, within 30 seconds.
 */
export type Ticket = { vmId: VmId; user: string; tokenHash: string };
export const ticketMs = 30_000;

export const wrongTicket = (): AppError =>
  new AppError({
    code: 'console.wrong-ticket',
    family: 'denied',
    message: 'This ticket for a console is not valid, not valid any more, or has been used.',
    remedy: 'Open the console again.',
  });

export class Tickets {
  readonly #now: () => number;
  readonly #open = new Map<string, Ticket & { expiresAt: number }>();

  constructor(now: () => number) {
    this.#now = now;
  }

  issue(ticket: Ticket): { ticket: string; expiresAt: Date } {
    this.#forgetOld();
    const name = randomBytes(32).toString('base64url');
    const expiresAt = this.#now() + ticketMs;
    this.#open.set(name, { ...ticket, expiresAt });
    return { ticket: name, expiresAt: new Date(expiresAt) };
  }

  /** Works once. */
  redeem(name: string | null): Ticket {
    const found = name === null ? undefined : this.#open.get(name);
    if (name !== null) this.#open.delete(name);
    if (found === undefined || found.expiresAt <= this.#now()) throw wrongTicket();
    return found;
  }

  #forgetOld(): void {
    for (const [name, { expiresAt }] of this.#open) if (expiresAt <= this.#now()) this.#open.delete(name);
  }
}
