import { z } from 'zod';

/** Kept for the host itself: its agents, bricks and the kernel. */
const reserveMiB = 768;
/** Reports go to the store: they change when this much has changed, not with every page. */
const stepMiB = 256;

/** `MemAvailable:   15794172 kB` of /proc/meminfo, in MiB. */
export function availableMiB(meminfo: string): number {
  const text = /^MemAvailable:\s+(\d+) kB$/m.exec(meminfo)?.[1];
  return Math.floor(z.coerce.number().int().parse(text) / 1024);
}

/** What VMs may still take here, in steps; a step back and forth is no news. */
export function freeMemory(read: () => Promise<string>): { look(): Promise<void>; freeMiB(): number } {
  let told = 0;
  return {
    async look() {
      const free = Math.max(0, availableMiB(await read()) - reserveMiB);
      if (Math.abs(free - told) >= stepMiB) told = free - (free % stepMiB);
    },
    freeMiB: () => told,
  };
}
