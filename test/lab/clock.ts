import { existsSync } from 'node:fs';
import type { LabHost } from './lab.ts';

/**
 * Another time of day for one unit of one host. The kernel has one realtime clock, and its time namespaces shift only
 * the monotonic ones; so the unit's calls are answered by libfaketime, and a change is a jump in the running process.
 * Monotonic time stays true. What the unit starts gets the same clock.
 */
const candidates = [
  '/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1',
  '/usr/lib/aarch64-linux-gnu/faketime/libfaketime.so.1',
];
const inside = '/usr/local/lib/libfaketime.so.1';

export const isOffset = (text: string): boolean => /^[+-]\d+(\.\d+)?[smhd]?$/.test(text);

const dropInOf = (unit: string): string => `/run/systemd/system/${unit}.d/lab-clock.conf`;
const offsetFileOf = (unit: string): string => `/run/lab-clock-${unit}`;

export function dropIn(unit: string): string {
  const settings = {
    LD_PRELOAD: inside,
    FAKETIME_TIMESTAMP_FILE: offsetFileOf(unit),
    FAKETIME_NO_CACHE: '1',
    FAKETIME_DONT_FAKE_MONOTONIC: '1',
  };
  return [
    '[Service]',
    ...Object.entries(settings).map(([name, value]) => `Environment=${name}=${value}`),
    '',
  ].join('\n');
}

/** The first call restarts the unit, with true time; from then on each call is a jump without a restart. */
export async function setClock(host: LabHost, unit: string, offset: string): Promise<void> {
  if (offset === 'off') {
    await host.exec(['rm', '-f', dropInOf(unit), offsetFileOf(unit)]);
    await host.exec(['systemctl', 'daemon-reload']);
    await host.exec(['systemctl', 'restart', unit]);
    return;
  }
  if (!isOffset(offset)) throw new Error(`"${offset}" is no offset such as +90s or -1h`);
  const known = await host.exec(['test', '-e', dropInOf(unit)], { okExitCodes: [1] });
  if (known.exitCode !== 0) {
    const library = candidates.find((path) => existsSync(path));
    if (library === undefined)
      throw new Error('libfaketime is not installed on this machine: apt-get install libfaketime');
    await host.push(library, inside);
    await host.write(offsetFileOf(unit), '+0\n');
    await host.write(dropInOf(unit), dropIn(unit));
    await host.exec(['systemctl', 'daemon-reload']);
    await host.exec(['systemctl', 'restart', unit]);
  }
  await host.write(offsetFileOf(unit), `${offset}\n`);
}
