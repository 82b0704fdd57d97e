import { frameOf, type Hub, type LiveFrame } from './hub.ts';

export type StreamEnv = {
  hub: Hub;
  now(): Date;
  keepAliveMs: number;
  /** facts that a reader may leave unread; one that is slower is dropped, reconnects and reads the lists anew */
  maxUnread: number;
  /** asked at each keep-alive: a session that has ended takes its streams with it */
  mayGoOn(): Promise<boolean>;
};

/**
 * One reader's live stream: `hello`, then what changes. What the reader has not taken yet waits here, newest state per
 * thing, so a slow reader costs one message per thing and no more.
 */
export function liveStream(env: StreamEnv, ends: readonly AbortSignal[]): ReadableStream<Uint8Array> {
  const encoder = new TextEncoder();
  const latest = new Map<string, string>();
  let facts: string[] = [];
  let stop = () => {};

  const drain = (controller: ReadableStreamDefaultController<Uint8Array>) => {
    if ((controller.desiredSize ?? 0) <= 0 || (latest.size === 0 && facts.length === 0)) return;
    const text = [...latest.values(), ...facts].join('');
    latest.clear();
    facts = [];
    controller.enqueue(encoder.encode(text));
  };

  return new ReadableStream<Uint8Array>(
    {
      start(controller) {
        const end = () => {
          stop();
          try {
            controller.close();
          } catch {
            // already closed by the reader
          }
        };
        const take = (frames: readonly LiveFrame[]) => {
          for (const { key, text } of frames) {
            if (key === undefined) facts.push(text);
            else {
              // Newest last: a thing that changed again is told in the order of its last change.
              latest.delete(key);
              latest.set(key, text);
            }
          }
          if (facts.length > env.maxUnread) end();
          else drain(controller);
        };
        const unsubscribe = env.hub.subscribe(take);
        const timer = setInterval(() => {
          if ((controller.desiredSize ?? 0) > 0) controller.enqueue(encoder.encode(': still here\n\n'));
          env.mayGoOn().then(
            (may) => may || end(),
            () => {},
          );
        }, env.keepAliveMs);
        stop = () => {
          clearInterval(timer);
          unsubscribe();
          for (const signal of ends) signal.removeEventListener('abort', end);
        };
        for (const signal of ends) signal.addEventListener('abort', end, { once: true });
        controller.enqueue(encoder.encode(frameOf({ kind: 'hello', now: env.now().toISOString() })));
      },
      pull: drain,
      cancel: () => stop(),
    },
    new CountQueuingStrategy({ highWaterMark: 4 }),
  );
}
