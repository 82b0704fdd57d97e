/**
 * A unix socket whose every connection goes on through a stream that somebody opens: how libvirt and QEMU of two hosts
 * meet without a port on any network. They connect here, `open` leads to the other host's agent over mTLS.
 * Bytes pass as they are, each side's end is the other side's end, a failure on one side ends both.
 */
import { chmod, chown, rm } from 'node:fs/promises';
import { createServer, type Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { Log } from '../log/log.ts';

export type RelayOptions = {
  path: string;
  /** who else than root may connect, e.g. the user that QEMU runs as */
  owner?: { uid: number; gid: number };
  open(signal: AbortSignal): Promise<Duplex>;
};

export type Relay = {
  /** connections now open; for tests and logs */
  readonly connections: number;
  close(): Promise<void>;
};

const isEnd = (error: unknown): boolean =>
  error instanceof Error && 'code' in error && error.code === 'ERR_STREAM_PREMATURE_CLOSE';

/** Joins two streams until both directions have ended; resolves then, rejects (and destroys both) when one fails. */
export async function join(one: Duplex, other: Duplex, signal: AbortSignal): Promise<void> {
  const options = { signal, end: true };
  try {
    await Promise.all([pipeline(one, other, options), pipeline(other, one, options)]);
  } finally {
    one.destroy();
    other.destroy();
  }
}

export async function listenAndRelay(env: { log: Log }, options: RelayOptions): Promise<Relay> {
  const { path } = options;
  const stop = new AbortController();
  const running = new Set<Promise<void>>();
  const stopped = new Promise<never>((_, reject) =>
    stop.signal.addEventListener('abort', () => reject(stop.signal.reason)),
  );
  stopped.catch(() => {});

  const serve = async (near: Socket): Promise<void> => {
    // Until it is joined nobody else listens: an early end must not be an uncaught error.
    near.on('error', () => {});
    try {
      const opening = options.open(stop.signal);
      // One that opens after all when nobody waits any more is closed again.
      opening.then((late) => stop.signal.aborted && late.destroy()).catch(() => {});
      const far = await Promise.race([opening, stopped]);
      far.on('error', () => {});
      await join(near, far, stop.signal);
    } catch (error) {
      near.destroy();
      // One side that closes without a goodbye, as libvirt does, is an end like any other.
      if (!stop.signal.aborted && !isEnd(error))
        env.log.error('a relayed connection failed', error, { path });
    }
  };

  // Half-open: the end of one direction must not cut the other.
  const server = createServer({ allowHalfOpen: true }, (near) => {
    const served = serve(near);
    running.add(served);
    void served.finally(() => running.delete(served));
  });
  // A socket file that a crash left behind cannot be listened on.
  await rm(path, { force: true });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(path, resolve);
  });
  await chmod(path, 0o600);
  if (options.owner !== undefined) await chown(path, options.owner.uid, options.owner.gid);

  return {
    get connections() {
      return running.size;
    },
    async close() {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      stop.abort(new Error('the relay is closed'));
      await Promise.allSettled(running);
      await closed;
    },
  };
}
