import { AppError } from '../../node/contract/error.ts';

export type Patience = {
  sleep(ms: number, signal: AbortSignal): Promise<void>;
  signal: AbortSignal;
};

/** Tries again while the host does not answer, until the signal fires; a refusal is an answer. */
export async function patiently<T>(patience: Patience, ask: () => Promise<T>): Promise<T> {
  for (let waitMs = 250; ; waitMs = Math.min(waitMs * 2, 4_000)) {
    try {
      return await ask();
    } catch (thrown) {
      patience.signal.throwIfAborted();
      if (!(thrown instanceof AppError) || thrown.code !== 'host.unreachable') throw thrown;
      await patience.sleep(waitMs, patience.signal);
    }
  }
}
