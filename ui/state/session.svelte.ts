/** Who is logged in. Only this module sets the state; everyone else reads it. */
import type { EngineClient } from '../../engine/contract/client.ts';
import type { Session } from '../../engine/contract/sessions.ts';
import { isLoggedOut } from '../lib/error-text.ts';

export type SessionState =
  | { state: 'checking' }
  | { state: 'out'; why: 'new' | 'expired' | 'left' }
  | { state: 'in'; session: Session };

export class SessionStore {
  current = $state.raw<SessionState>({ state: 'checking' });

  get csrfToken(): string | undefined {
    return this.current.state === 'in' ? this.current.session.csrfToken : undefined;
  }
  get userName(): string {
    return this.current.state === 'in' ? this.current.session.user.name : '';
  }

  /** Throws when the engine cannot be reached: then nobody knows, and `checking` stays. */
  async check(api: EngineClient): Promise<void> {
    try {
      this.current = { state: 'in', session: await api.call('getSession') };
    } catch (error) {
      if (!isLoggedOut(error)) throw error;
      this.current = { state: 'out', why: this.current.state === 'in' ? 'expired' : 'new' };
    }
  }

  async login(api: EngineClient, name: string, password: string): Promise<void> {
    this.current = {
      state: 'in',
      session: await api.call('createSession', { body: { name, password, cookie: true } }),
    };
  }

  async logout(api: EngineClient): Promise<void> {
    try {
      await api.call('deleteSession');
    } catch (error) {
      // A session that is over already is what was asked for; one that nobody could end still stands.
      if (!isLoggedOut(error)) throw error;
    }
    this.current = { state: 'out', why: 'left' };
  }

  expired(): void {
    if (this.current.state === 'in') this.current = { state: 'out', why: 'expired' };
  }
}
