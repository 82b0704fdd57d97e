/** Short messages at the edge: a finished job goes away by itself, what went wrong stays until it was read. */
import { errorText } from '../lib/error-text.ts';
import type { Tone } from '../lib/status.ts';

export type Toast = {
  id: number;
  tone: Tone;
  title: string;
  text: string | undefined;
  link: { href: string; label: string } | undefined;
};
const shownMs = 6000;
const most = 4;

export class Toasts {
  items = $state.raw<readonly Toast[]>([]);
  #lastId = 0;

  show(tone: Tone, title: string, more: { text?: string | undefined; link?: Toast['link'] } = {}): void {
    this.#lastId += 1;
    const id = this.#lastId;
    this.items = [...this.items, { id, tone, title, text: more.text, link: more.link }].slice(-most);
    if (tone !== 'error') setTimeout(() => this.dismiss(id), shownMs);
  }

  error(thrown: unknown, doing?: string): void {
    const { message, remedy } = errorText(thrown);
    if (doing === undefined) this.show('error', message, { text: remedy });
    else this.show('error', doing, { text: remedy === undefined ? message : `${message} ${remedy}` });
  }

  dismiss(id: number): void {
    this.items = this.items.filter((toast) => toast.id !== id);
  }
}
