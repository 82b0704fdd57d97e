import type { LiveMessage } from '../contract/events.ts';

/**
 * What changes, told to all who watch. A thing that changes often is told once per beat, in its newest state: `publish`
 * marks its key, and the message is made when the beat comes. Facts (events) are told one by one.
 */
export type LiveFrame = { key: string | undefined; text: string };
export type Hub = {
  publish(key: string, make: () => LiveMessage | undefined): void;
  tell(message: LiveMessage): void;
  subscribe(listener: (frames: readonly LiveFrame[]) => void): () => void;
  watchers(): number;
};

/** By example: `data: {"kind":"vm-gone","id":"..."}\n\n` */
export const frameOf = (message: LiveMessage): string => `data: ${JSON.stringify(message)}\n\n`;

export function makeHub(
  env: { beatMs: number; later(ms: number, body: () => void): void } = {
    beatMs: 40,
    later: (ms, body) => void setTimeout(body, ms).unref(),
  },
): Hub {
  const listeners = new Set<(frames: readonly LiveFrame[]) => void>();
  const dirty = new Map<string, () => LiveMessage | undefined>();
  const last = new Map<string, string>();
  let facts: LiveFrame[] = [];
  let waiting = false;

  const beat = () => {
    waiting = false;
    const frames: LiveFrame[] = [];
    for (const [key, make] of dirty) {
      const message = make();
      if (message === undefined) continue;
      const text = frameOf(message);
      // Statistics that round to the same numbers are no news.
      if (last.get(key) === text) continue;
      last.set(key, text);
      if (message.kind === 'vm-gone' || message.kind === 'image-gone') last.delete(key);
      frames.push({ key, text });
    }
    dirty.clear();
    frames.push(...facts);
    facts = [];
    if (frames.length > 0) for (const listener of listeners) listener(frames);
  };
  const wake = () => {
    if (waiting) return;
    waiting = true;
    env.later(env.beatMs, beat);
  };
  return {
    publish(key, make) {
      // Nobody watches: nothing is made; who comes later reads the lists first.
      if (listeners.size === 0) {
        last.delete(key);
        return;
      }
      dirty.set(key, make);
      wake();
    },
    tell(message) {
      if (listeners.size === 0) return;
      facts.push({ key: undefined, text: frameOf(message) });
      wake();
    },
    subscribe(listener) {
      listeners.add(listener);
      return () => {
        listeners.delete(listener);
        if (listeners.size === 0) last.clear();
      };
    },
    watchers: () => listeners.size,
  };
}
