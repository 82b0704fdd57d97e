import type { Random } from '../sim/random.ts';
import { type FaultName, faultNames, faultOf } from './faults.ts';

/** One thing that happens in a round: to which host, after how long, for how long. */
export type Blow = { fault: FaultName; host: string; afterSeconds: number; seconds: number };

/** How often a round has a second blow, which falls while the cluster still deals with the first. */
const secondBlow = 0.3;

/** The same seed gives the same rounds; what the cluster makes of them is its own affair. */
export function drawRound(
  random: Random,
  hosts: readonly string[],
  allowed: readonly FaultName[] = faultNames,
): Blow[] {
  const weighted = allowed.flatMap((name) => Array.from({ length: faultOf(name).weight }, () => name));
  const blow = (afterSeconds: number): Blow => {
    const fault = random.pick(weighted);
    const most = faultOf(fault).secondsAtMost;
    return {
      fault,
      host: random.pick(hosts),
      afterSeconds,
      seconds: most === 0 ? 0 : random.between(1, most),
    };
  };
  const first = blow(0);
  return random.chance(secondBlow) ? [first, blow(random.between(1, 15))] : [first];
}
