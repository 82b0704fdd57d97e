import { open, readFile } from 'node:fs/promises';
import { z } from 'zod';
import type { Run } from '../../command/run.ts';
import type { Log } from '../../log/log.ts';

/**
 * The kernel's watchdog: opening its device arms it, a written byte feeds it, `V` before closing disarms it. The machine is
 * reset when nobody feeds it, also when this process is killed. https://docs.kernel.org/watchdog/watchdog-api.html
 */
export type Watchdog = {
  readonly timeoutMs: number;
  feed(): void;
  /** the machine is not reset any more; only when nothing runs that must not go on unwatched */
  disarm(): Promise<void>;
};

export type WatchdogFiles = {
  /** absent: this machine has none */
  device: string;
  /** how long it waits, in seconds, as the kernel says */
  timeout: string;
};

export const systemWatchdog: WatchdogFiles = {
  device: '/dev/watchdog0',
  timeout: '/sys/class/watchdog/watchdog0/timeout',
};

/** Undefined: there is none, or it does not keep to its time; the reason is in the log. */
export async function openWatchdog(
  env: { run: Run; log: Log; files: WatchdogFiles },
  wantedMs: number,
): Promise<Watchdog | undefined> {
  const { run, log, files } = env;
  try {
    await readFile(files.timeout);
  } catch {
    log.warn('this machine has no watchdog');
    return undefined;
  }
  try {
    // Node cannot ask the device (ioctl); util-linux can, and leaves it disarmed.
    await run(['wdctl', '--settimeout', String(Math.round(wantedMs / 1000)), files.device], {
      timeoutMs: 5_000,
    });
    const seconds = z.coerce
      .number()
      .int()
      .positive()
      .parse((await readFile(files.timeout, 'utf8')).trim());
    const device = await open(files.device, 'w');
    log.info(`the watchdog is armed: it resets this machine after ${seconds} s without a word`);
    return {
      timeoutMs: seconds * 1000,
      feed: () => void device.write('\0').catch((error) => log.error('the watchdog was not fed', error)),
      disarm: async () => {
        await device.write('V');
        await device.close();
      },
    };
  } catch (error) {
    log.error('the watchdog is not used', error);
    return undefined;
  }
}
