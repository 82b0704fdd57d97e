/**
 * One VM's screen: asks for a one-time ticket, opens the stream with noVNC (loaded only now), and connects again by itself
 * when it breaks off, as it does when the VM moves to another host. Owns the connection; the component owns the element.
 */
import { type ErrorText, errorText } from '../lib/error-text.ts';
import { keysymsOf } from '../lib/keysyms.ts';
import { retryDelayMs } from '../lib/retry.ts';
import type { App } from '../state/app.svelte.ts';

type Rfb = InstanceType<typeof import('@novnc/novnc')['default']>;
export type ConsoleState =
  | { state: 'connecting' }
  | { state: 'connected' }
  | { state: 'broken'; problem: ErrorText };

const keyGapMs = 12;

export class ConsoleSession {
  current = $state.raw<ConsoleState>({ state: 'connecting' });
  typing = $state(false);
  readonly #app: App;
  readonly #vmId: string;
  readonly #target: HTMLElement;
  #rfb: Rfb | undefined;
  #failures = 0;
  #retry: ReturnType<typeof setTimeout> | undefined;
  #closed = false;

  constructor(app: App, vmId: string, target: HTMLElement) {
    this.#app = app;
    this.#vmId = vmId;
    this.#target = target;
  }

  async open(): Promise<void> {
    clearTimeout(this.#retry);
    this.#drop();
    if (this.current.state !== 'connecting') this.current = { state: 'connecting' };
    try {
      const [{ default: RFB }, ticket] = await Promise.all([
        import('@novnc/novnc'),
        this.#app.api.call('createConsoleTicket', { params: { id: this.#vmId } }),
      ]);
      if (this.#closed) return;
      const url = new URL(ticket.path, location.href);
      url.protocol = url.protocol === 'https:' ? 'wss:' : 'ws:';
      if (!url.searchParams.has('ticket')) url.searchParams.set('ticket', ticket.ticket);
      const rfb = new RFB(this.#target, url.href, { shared: true });
      rfb.scaleViewport = true;
      rfb.focusOnClick = true;
      rfb.background = 'transparent';
      rfb.addEventListener('connect', () => {
        if (this.#rfb !== rfb) return;
        this.#failures = 0;
        this.current = { state: 'connected' };
        rfb.focus();
      });
      rfb.addEventListener('disconnect', () => {
        if (this.#rfb !== rfb) return;
        this.#rfb = undefined;
        this.#broken({
          message: 'The screen’s connection broke off.',
          remedy: 'The VM may be moving or ending. Connecting again by itself.',
          code: undefined,
        });
      });
      this.#rfb = rfb;
    } catch (error) {
      if (!this.#closed) this.#broken(errorText(error));
    }
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#retry);
    this.#drop();
  }

  ctrlAltDel(): void {
    this.#rfb?.sendCtrlAltDel();
    this.#rfb?.focus();
  }

  focus(): void {
    this.#rfb?.focus();
  }

  /** Types text as keys, as if at the VM's own keyboard: works without any agent inside, at a plain login prompt too. */
  async type(text: string): Promise<void> {
    this.typing = true;
    try {
      for (const keysym of keysymsOf(text)) {
        if (this.#rfb === undefined) return;
        this.#rfb.sendKey(keysym, null);
        await new Promise((resolve) => setTimeout(resolve, keyGapMs));
      }
    } finally {
      this.typing = false;
      this.#rfb?.focus();
    }
  }

  #drop(): void {
    const rfb = this.#rfb;
    this.#rfb = undefined;
    rfb?.disconnect();
  }

  #broken(problem: ErrorText): void {
    this.#failures += 1;
    this.current = { state: 'broken', problem };
    clearTimeout(this.#retry);
    this.#retry = setTimeout(() => void this.open(), retryDelayMs(this.#failures, Math.random()));
  }
}
