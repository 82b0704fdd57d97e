import { createHash, createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import { AppError } from '../../node/contract/error.ts';
import type { Login, PasswordChange, Session } from '../contract/sessions.ts';
import { type Db, databaseError } from '../db/database.ts';
import type { Limiter } from './limiter.ts';
import { checkPassword, hashPassword } from './password.ts';
import {
  deleteOtherSessions,
  deleteSession,
  findSession,
  findUser,
  findUserByName,
  insertSession,
  type SessionRecord,
  setPasswordHash,
  touchSession,
} from './store.ts';

export type SessionsEnv = {
  db: Db;
  now(): Date;
  limiter: Limiter;
  /** scrypt's N, when it is not the one of password.ts */
  passwordCost?: number;
};

/** Ends after so long without use, and after so long in any case. */
const idleMs = 8 * 60 * 60_000;
const longestMs = 7 * 24 * 60 * 60_000;
/** How exactly "last used" is kept, and how long a session is believed without asking the database. */
const touchEveryMs = 60_000;
/** About as many as are checked within the time that a person waits. */
const mostLoggingIn = 32;

export const hashToken = (token: string): string => createHash('sha256').update(token).digest('hex');
/** Known only to who has the session's answer; a foreign page can make the browser send the cookie, but not this. */
export const csrfTokenOf = (token: string): string =>
  createHmac('sha256', token).update('trefoil csrf').digest('base64url');

export function csrfMatches(token: string, given: string | undefined): boolean {
  if (given === undefined) return false;
  const ours = Buffer.from(csrfTokenOf(token));
  const theirs = Buffer.from(given);
  return ours.length === theirs.length && timingSafeEqual(ours, theirs);
}

export const loginRequired = (): AppError =>
  new AppError({
    code: 'session.required',
    family: 'denied',
    message: 'Log in first.',
    remedy: 'Your session may have ended.',
  });

const wrongLogin = (): AppError =>
  new AppError({
    code: 'session.wrong-login',
    family: 'denied',
    message: 'The name or the password is wrong.',
  });

const tooBusy = (): AppError =>
  new AppError({
    code: 'session.busy',
    family: 'unavailable',
    message: 'There are too many logins at once.',
    remedy: 'Try again in a moment.',
    retry: 'later',
  });

/** Sessions: the token is random and known to its bearer alone, the database has its hash. */
export class Sessions {
  readonly #env: SessionsEnv;
  /** believed for a minute; this engine is the only one, so what ends here is out at once */
  readonly #known = new Map<string, { session: SessionRecord; askedAt: number }>();
  /** grows when sessions end: what was looked up before that is not believed */
  #endings = 0;
  #loggingIn = 0;

  constructor(env: SessionsEnv) {
    this.#env = env;
  }

  async login(login: Login, address: string): Promise<{ token: string; session: SessionRecord }> {
    this.#env.limiter.check({ name: login.name, address });
    // Passwords are checked one at a time: a flood must not grow a queue in front of everybody else.
    if (this.#loggingIn >= mostLoggingIn) throw tooBusy();
    this.#loggingIn += 1;
    try {
      return await this.#login(login, address);
    } finally {
      this.#loggingIn -= 1;
    }
  }

  async #login(login: Login, address: string): Promise<{ token: string; session: SessionRecord }> {
    const { db, limiter, now, passwordCost } = this.#env;
    const by = { name: login.name, address };
    // Counted before the slow check: tries that arrive together are counted together.
    limiter.failed(by);
    const user = await this.#ask('looking up a user', () => findUserByName(db, login.name));
    const { right, weak } = await checkPassword(login.password, user?.passwordHash, passwordCost);
    if (!right || user === undefined) throw wrongLogin();
    limiter.succeeded(by);
    if (weak) {
      const better = await hashPassword(login.password, passwordCost);
      await this.#ask('keeping a password', () => setPasswordHash(db, user.id, better));
    }
    const token = randomBytes(32).toString('base64url');
    const at = now();
    const session: SessionRecord = {
      tokenHash: hashToken(token),
      userId: user.id,
      userName: user.name,
      cookie: login.cookie,
      createdAt: at,
      usedAt: at,
      expiresAt: new Date(at.getTime() + idleMs),
    };
    await this.#ask('keeping a session', () => insertSession(db, session));
    return { token, session };
  }

  /** The session of a token, used now; undefined when there is none or it has ended. */
  async find(token: string): Promise<SessionRecord | undefined> {
    const hash = hashToken(token);
    const now = this.#env.now();
    const known = this.#known.get(hash);
    const endings = this.#endings;
    const session =
      known !== undefined && now.getTime() - known.askedAt < touchEveryMs
        ? known.session
        : await this.#ask('looking up a session', () => findSession(this.#env.db, hash));
    if (session === undefined || session.expiresAt <= now) {
      this.#known.delete(hash);
      return undefined;
    }
    if (known?.session !== session && endings === this.#endings) this.#remember(hash, session);
    await this.#touch(session, now);
    return session;
  }

  /** Whether it still stands, without using it. */
  async stands(tokenHash: string): Promise<boolean> {
    const session = await this.#ask('looking up a session', () => findSession(this.#env.db, tokenHash));
    return session !== undefined && session.expiresAt > this.#env.now();
  }

  async logout(session: SessionRecord): Promise<void> {
    await this.#ask('ending a session', () => deleteSession(this.#env.db, session.tokenHash));
    this.#endings += 1;
    this.#known.delete(session.tokenHash);
  }

  async changePassword(session: SessionRecord, change: PasswordChange, address: string): Promise<void> {
    const { db, limiter, passwordCost } = this.#env;
    const by = { name: session.userName, address };
    limiter.check(by);
    limiter.failed(by);
    const user = await this.#ask('looking up a user', () => findUser(db, session.userId));
    const { right } = await checkPassword(change.current, user?.passwordHash, passwordCost);
    if (!right)
      throw new AppError({
        code: 'password.wrong',
        family: 'invalid',
        message: 'The current password is not right.',
      });
    limiter.succeeded(by);
    const hash = await hashPassword(change.next, passwordCost);
    await this.#ask('keeping a password', async () => {
      await setPasswordHash(db, session.userId, hash);
      await deleteOtherSessions(db, session.userId, session.tokenHash);
    });
    this.#endings += 1;
    for (const [tokenHash, { session: known }] of this.#known)
      if (known.userId === session.userId && tokenHash !== session.tokenHash) this.#known.delete(tokenHash);
  }

  async #touch(session: SessionRecord, now: Date): Promise<void> {
    if (now.getTime() - session.usedAt.getTime() < touchEveryMs) return;
    session.usedAt = now;
    const end = Math.min(session.createdAt.getTime() + longestMs, now.getTime() + idleMs);
    session.expiresAt = new Date(end);
    await this.#ask('keeping a session', () => touchSession(this.#env.db, session));
  }

  #remember(hash: string, session: SessionRecord): void {
    if (this.#known.size > 1_000) this.#known.clear();
    this.#known.set(hash, { session, askedAt: this.#env.now().getTime() });
  }

  async #ask<T>(doing: string, query: () => Promise<T>): Promise<T> {
    try {
      return await query();
    } catch (thrown) {
      throw databaseError(thrown, doing);
    }
  }
}

export const sessionView = (session: SessionRecord, token: string, withToken: boolean): Session => ({
  ...(withToken ? { token } : {}),
  csrfToken: csrfTokenOf(token),
  user: { id: session.userId, name: session.userName },
  expiresAt: session.expiresAt.toISOString(),
});
