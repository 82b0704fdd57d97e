import type { Clock } from '../clock/clock.ts';
import type { Log } from '../log/log.ts';

export type RetryEnv = { clock: Clock; log: Log; signal: AbortSignal };

const pauseMs = { first: 1_000, most: 30_000 };

/** Does something that must come about some time, again and again with growing pauses until it has; told once in the log. */
export async function untilDone(env: RetryEnv, what: string, work: () => Promise<void>): Promise<void> {
  for (let pause = pauseMs.first; ; pause = Math.min(pause * 2, pauseMs.most)) {
    try {
      await work();
      if (pause > pauseMs.first) env.log.info(`${what}: done at last`);
      return;
    } catch (error) {
      if (env.signal.aborted) return;
      if (pause === pauseMs.first) env.log.error(`${what}: not done, tried again`, error);
      try {
        await env.clock.sleep(pause, env.signal);
      } catch {
        return;
      }
    }
  }
}
