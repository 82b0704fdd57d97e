import { AppError } from '../../node/contract/error.ts';

export type Patience = {
  sleep(ms: number, signal: AbortSignal): Promise<void>;
  signal: AbortSignal;
};

/** An agent is restarted in seconds, a host in a few minutes; who waits longer should be told. */
const longestMs = 120_000;
const worthWaiting = new Set(['host.unreachable', 'host.none-online', 'etcd.unavailable']);

/** Tries again for a while as long as the host (or any host, or their store) does not answer; a refusal is an answer. */
export async function patiently<T>(patience: Patience, ask: () => Promise<T>): Promise<T> {
  const end = performance.now() + longestMs;
  for (let waitMs = 250; ; waitMs = Math.min(waitMs * 2, 4_000)) {
    try {
      return await ask();
    } catch (thrown) {
      patience.signal.throwIfAborted();
      const wait = thrown instanceof AppError && worthWaiting.has(thrown.code);
      if (!wait || performance.now() > end) throw thrown;
      await patience.sleep(waitMs, patience.signal);
    }
  }
}
