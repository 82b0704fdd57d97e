import type { ServerResponse } from 'node:http';
import type { NodeEvent } from '../contract/events.ts';
import type { Log } from '../log/log.ts';

/** The agent's events: rooms publish, the event streams of the engine and of the installer listen. */
export type EventHub = {
  publish(event: NodeEvent): void;
  subscribe(listener: (id: number, event: NodeEvent) => void): () => void;
  lastId(): number;
  readers(): number;
};

export function makeEventHub(): EventHub {
  const listeners = new Set<(id: number, event: NodeEvent) => void>();
  let last = 0;
  return {
    publish: (event) => {
      last++;
      for (const listener of listeners) listener(last, event);
    },
    subscribe: (listener) => {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
    lastId: () => last,
    readers: () => listeners.size,
  };
}

export type EventStreamEnv = {
  hub: EventHub;
  /** the present state of everything, as events */
  snapshot(): Promise<readonly NodeEvent[]>;
  heartbeatMs: number;
  /** a reader that leaves this much unread is dropped: it reconnects and gets a snapshot */
  maxUnreadBytes: number;
};

/** By example: `id: 17\nevent: load\ndata: {"kind":"load",...}\n\n` */
const frame = (id: number, event: NodeEvent): string =>
  `id: ${id}\nevent: ${event.kind}\ndata: ${JSON.stringify(event)}\n\n`;

/**
 * Writes the whole stream to one reader: what is there now, `snapshot-done`, then every change. Changes that happen
 * while the snapshot is taken come after it, so the newest word on anything is always the last one said.
 */
export async function streamEvents(env: EventStreamEnv, out: ServerResponse): Promise<void> {
  out.writeHead(200, {
    'content-type': 'text/event-stream',
    'cache-control': 'no-store',
    'x-accel-buffering': 'no',
  });
  out.flushHeaders();
  let waiting: string[] | undefined = [];
  const write = (text: string) => {
    if (out.destroyed) return;
    out.write(text);
    if (out.writableLength > env.maxUnreadBytes) out.destroy();
  };
  const stop = env.hub.subscribe((id, event) => {
    const text = frame(id, event);
    if (waiting === undefined) write(text);
    else waiting.push(text);
  });
  const heartbeat = setInterval(
    () => write(frame(env.hub.lastId(), { kind: 'heartbeat', now: new Date().toISOString() })),
    env.heartbeatMs,
  );
  out.once('close', () => {
    stop();
    clearInterval(heartbeat);
  });
  try {
    const present = await env.snapshot();
    const id = env.hub.lastId();
    for (const event of present) write(frame(id, event));
    write(frame(id, { kind: 'snapshot-done' }));
    for (const text of waiting) write(text);
    waiting = undefined;
  } catch (error) {
    out.destroy();
    throw error;
  }
}

/** What every room knows now; a room that cannot say it (its daemon is away) is left out, the others are told. */
export async function snapshotOf(
  log: Log,
  rooms: readonly (() => Promise<NodeEvent[]>)[],
): Promise<NodeEvent[]> {
  const parts = await Promise.all(
    rooms.map((room) =>
      room().catch((error): NodeEvent[] => {
        log.error('a part of the present state is not known', error);
        return [];
      }),
    ),
  );
  return parts.flat();
}
