/**
 * One VM's screen: asks for a one-time ticket, opens the stream with noVNC (loaded only now), and connects again by itself
 * when it breaks off, as it does when the VM moves to another host. Owns the connection; the component owns the element.
 */
import type { ConsoleTicket } from '../../engine/contract/vms.ts';
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
const brokeOff: ErrorText = {
  message: 'The screen’s connection broke off.',
  remedy: 'The VM may be moving or ending. Connecting again by itself.',
  code: undefined,
};
const notThere: ErrorText = {
  message: 'The screen is not there yet.',
  remedy: 'The VM may be starting or moving. Trying again by itself.',
  code: undefined,
};
class NoScreen extends Error {}

function addressOf(ticket: ConsoleTicket): string {
  const url = new URL(ticket.path, location.href);
  url.protocol = url.protocol === 'https:' ? 'wss:' : 'ws:';
  if (!url.searchParams.has('ticket')) url.searchParams.set('ticket', ticket.ticket);
  return url.href;
}

/** noVNC takes a channel that is open already; opened by itself, it would write what the page tells anyway to the console. */
function openChannel(address: string): Promise<WebSocket> {
  return new Promise((resolve, reject) => {
    const channel = new WebSocket(address);
    channel.binaryType = 'arraybuffer';
    channel.onopen = () => resolve(channel);
    channel.onclose = () => reject(new NoScreen());
  });
}

export class ConsoleSession {
  current = $state.raw<ConsoleState>({ state: 'connecting' });
  typing = $state(false);
  readonly #app: App;
  readonly #vmId: string;
  readonly #target: HTMLElement;
  #shown: { rfb: Rfb; channel: WebSocket } | undefined;
  #failures = 0;
  #retry: ReturnType<typeof setTimeout> | undefined;
  /** grows with each try to connect, and at the end: what belongs to an older one is over */
  #attempt = 0;

  constructor(app: App, vmId: string, target: HTMLElement) {
    this.#app = app;
    this.#vmId = vmId;
    this.#target = target;
  }

  async open(): Promise<void> {
    clearTimeout(this.#retry);
    this.#drop();
    this.#attempt += 1;
    const attempt = this.#attempt;
    if (this.current.state !== 'connecting') this.current = { state: 'connecting' };
    try {
      const [{ default: RFB }, ticket] = await Promise.all([
        import('@novnc/novnc'),
        this.#app.api.call('createConsoleTicket', { params: { id: this.#vmId } }),
      ]);
      if (attempt !== this.#attempt) return;
      const channel = await openChannel(addressOf(ticket));
      // Whoever pressed "Connect again" or left in the meantime has no use for this one.
      if (attempt !== this.#attempt) return void channel.close();
      this.#show(new RFB(this.#target, channel, { shared: true }), channel);
    } catch (error) {
      if (attempt === this.#attempt) this.#broken(error instanceof NoScreen ? notThere : errorText(error));
    }
  }

  #show(rfb: Rfb, channel: WebSocket): void {
    const shown = { rfb, channel };
    this.#shown = shown;
    rfb.scaleViewport = true;
    rfb.focusOnClick = true;
    rfb.background = 'transparent';
    rfb.addEventListener('connect', () => {
      if (this.#shown !== shown) return;
      this.#failures = 0;
      this.current = { state: 'connected' };
      rfb.focus();
    });
    rfb.addEventListener('disconnect', () => {
      if (this.#shown !== shown) return;
      this.#shown = undefined;
      this.#broken(brokeOff);
    });
  }

  close(): void {
    this.#attempt += 1;
    clearTimeout(this.#retry);
    this.#drop();
  }

  ctrlAltDel(): void {
    this.#shown?.rfb.sendCtrlAltDel();
    this.#shown?.rfb.focus();
  }

  focus(): void {
    this.#shown?.rfb.focus();
  }

  /** Types text as keys, as if at the VM's own keyboard: works without any agent inside, at a plain login prompt too. */
  async type(text: string): Promise<void> {
    this.typing = true;
    try {
      for (const keysym of keysymsOf(text)) {
        if (this.#shown === undefined) return;
        this.#shown.rfb.sendKey(keysym, null);
        await new Promise((resolve) => setTimeout(resolve, keyGapMs));
      }
    } finally {
      this.typing = false;
      this.#shown?.rfb.focus();
    }
  }

  #drop(): void {
    const shown = this.#shown;
    this.#shown = undefined;
    shown?.rfb.disconnect();
    // noVNC would wait three seconds for the other side to agree, and complain when it does not: it may be gone.
    shown?.channel.dispatchEvent(new CloseEvent('close'));
  }

  #broken(problem: ErrorText): void {
    this.#failures += 1;
    this.current = { state: 'broken', problem };
    clearTimeout(this.#retry);
    this.#retry = setTimeout(() => void this.open(), retryDelayMs(this.#failures, Math.random()));
  }
}
