import type { Volume } from '../contract/storage.ts';
import { replicaSets } from './state.ts';

/** Whether HA can protect a VM, and does so unless told otherwise. */

/** What speaks against it, a sentence; undefined: nothing. */
export function whyNoHa(isThere: boolean, hosts: number): string | undefined {
  if (hosts < 2) return 'This cluster has only one host: when it is lost there is none to start a VM on.';
  if (hosts < 3)
    return `HA needs three hosts: with ${hosts} the loss of one leaves no majority that may decide.`;
  return isThere ? undefined : 'The hosts of this cluster have no HA yet.';
}

/** Its disk outlives the loss of any host, and the others can keep a lost host off it. */
export const isHaByDefault = (volume: Pick<Volume, 'layout' | 'bricks'>): boolean =>
  volume.bricks.length > 0 &&
  replicaSets(volume).every((bricks) => bricks.length >= 3 && new Set(bricks).size === bricks.length);
