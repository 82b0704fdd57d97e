import type { Scenario } from './scenario.ts';

/** What a broken law says, without its time and the names in it: the same law broken again is the same kind. */
export const lawOf = (broken: string): string => broken.replace(/^\d+ ms: /, '').replace(/\d+/g, 'N');

/**
 * A smaller scenario that still breaks a law of the same kind: halves of the commands are dropped, then quarters, down to
 * each by itself, again until nothing more can go; then VMs, time and extras.
 */
export function shrink(scenario: Scenario, breaks: (smaller: Scenario) => boolean): Scenario {
  let best = scenario;
  const accept = (smaller: Scenario): boolean => {
    if (!breaks(smaller)) return false;
    best = smaller;
    return true;
  };
  for (let size = Math.ceil(best.commands.length / 2); size >= 1; ) {
    let dropped = false;
    for (let from = 0; from < best.commands.length; ) {
      const commands = best.commands.filter((_, index) => index < from || index >= from + size);
      if (accept({ ...best, commands })) dropped = true;
      else from += size;
    }
    if (!dropped) size = size === 1 ? 0 : Math.ceil(size / 2);
  }
  for (const change of [{ slow: false }, { bmc: false }, { external: false }, { clockRates: {} }])
    accept({ ...best, ...change });
  if (best.watchdogMs !== undefined) {
    const { watchdogMs: _, ...rest } = best;
    accept(rest);
  }
  while (typeof best.vms === 'number' && best.vms > 1 && accept({ ...best, vms: best.vms - 1 }));
  return best;
}
