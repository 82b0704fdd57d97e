import type { Clock } from '../clock/clock.ts';
import { AppError } from '../contract/error.ts';
import type { Bus } from './bus.ts';

export const manager = {
  destination: 'org.freedesktop.systemd1',
  path: '/org/freedesktop/systemd1',
  interface: 'org.freedesktop.systemd1.Manager',
} as const;

/**
 * systemd answers a start or stop with a job, and tells its result by the signal JobRemoved, which may come before the
 * answer does: so results are kept for a while for whoever asks for them. A signal can also be missed (the bus went
 * away): so the job is looked for now and then, and one that is no longer there ends as `gone`: look at the unit.
 */
export type Jobs = {
  run(member: string, unit: string, options: { timeoutMs: number; signal?: AbortSignal }): Promise<string>;
};

const keepResults = 256;
const lookEveryMs = 2_000;

/** systemd sends signals only to those who subscribed; asking twice is refused and does no harm. */
export async function subscribeToManager(bus: Bus): Promise<void> {
  try {
    await bus.call({ ...manager, member: 'Subscribe' });
  } catch (error) {
    const again =
      error instanceof AppError && String(error.details?.['error']).endsWith('.AlreadySubscribed');
    if (!again) throw error;
  }
}

/** Whether the job is still known; undefined when systemd could not be asked. */
async function isThere(bus: Bus, job: string): Promise<boolean | undefined> {
  try {
    await bus.call(
      {
        destination: manager.destination,
        path: job,
        interface: 'org.freedesktop.DBus.Properties',
        member: 'Get',
        signature: 'ss',
        body: ['org.freedesktop.systemd1.Job', 'State'],
      },
      { timeoutMs: lookEveryMs },
    );
    return true;
  } catch (error) {
    return error instanceof AppError && error.code === 'bus.refused' ? false : undefined;
  }
}

export function makeJobs(env: { bus: Bus; clock: Clock }): Jobs {
  const results = new Map<string, string>();
  const waiting = new Map<string, (result: string) => void>();
  let ready: Promise<void> | undefined;

  const prepare = async () => {
    await env.bus.subscribe(
      { sender: manager.destination, path: manager.path, interface: manager.interface, member: 'JobRemoved' },
      ({ body }) => {
        // JobRemoved(u id, o job, s unit, s result)
        const [, path, , result] = body;
        if (typeof path !== 'string' || typeof result !== 'string') return;
        const waiter = waiting.get(path);
        if (waiter !== undefined) return waiter(result);
        results.set(path, result);
        const oldest = results.keys().next();
        if (results.size > keepResults && oldest.done !== true) results.delete(oldest.value);
      },
    );
    env.bus.onConnected(() => {
      results.clear(); // after a restart of the machine's systemd, ids begin again
      subscribeToManager(env.bus).catch(() => undefined);
    });
    await subscribeToManager(env.bus);
  };

  return {
    async run(member, unit, { timeoutMs, signal }) {
      ready ??= prepare().catch((error: unknown) => {
        ready = undefined;
        throw error;
      });
      await ready;
      const end = env.clock.now() + timeoutMs;
      const [job] = await env.bus.call(
        { ...manager, member, signature: 'ss', body: [unit, 'replace'] },
        signal === undefined ? {} : { signal },
      );
      if (typeof job !== 'string') throw new Error(`${member} gave no job`);

      const over = new AbortController();
      const stop = signal === undefined ? over.signal : AbortSignal.any([signal, over.signal]);
      const told = new Promise<string>((resolve) => {
        const known = results.get(job);
        if (known !== undefined) resolve(known);
        else waiting.set(job, resolve);
      });
      const lookedFor = async () => {
        for (;;) {
          const left = end - env.clock.now();
          if (left <= 0) return 'timeout';
          await env.clock.sleep(Math.min(left, lookEveryMs), stop);
          if ((await isThere(env.bus, job)) !== false) continue;
          await env.clock.sleep(100, stop); // its signal may be on the way
          return 'gone';
        }
      };
      try {
        return await Promise.race([told, lookedFor()]);
      } finally {
        over.abort();
        waiting.delete(job);
      }
    },
  };
}
