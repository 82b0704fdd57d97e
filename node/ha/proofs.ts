import type { HaFence, HaProof } from '../contract/ha.ts';
import type { HostId } from '../contract/ids.ts';
import { majorityOf, type Volume } from './model.ts';

/**
 * Whether a lost host can still change a volume, when these hosts refuse it. A brick counts as reachable to it unless
 * its host has said that it refuses: the lost host's own, and those of hosts that say nothing. A write is acknowledged
 * and lasts only on more than half of a replica set's bricks (Gluster's `quorum-type auto` for three; a pair is not
 * enough for a proof, since its first brick alone is a quorum).
 */
export function cannotWrite(volume: Volume, refusing: ReadonlySet<HostId>): boolean {
  // Storage outside the cluster has none: we cannot keep anyone from it.
  if (volume.replicaSets.length === 0) return false;
  return volume.replicaSets.every((bricks) => {
    const reachable = bricks.filter((host) => !refusing.has(host)).length;
    const quorum = bricks.length === 2 ? 1 : majorityOf(bricks.length);
    return reachable < quorum;
  });
}

/** The sentence that proves this fence, or what is still missing. `volumes`: those that the host's VMs use. */
export function proofOf(
  fence: HaFence,
  proofs: readonly HaProof[],
  volumes: readonly Volume[],
): { proven: true; says: string } | { proven: false; missing: string } {
  const ours = proofs.filter((proof) => proof.fence === fence.id && proof.by !== fence.host);
  const whole = ours.find(({ kind }) => kind !== 'storage');
  if (whole !== undefined) return { proven: true, says: whole.says };
  const refusing = new Set(ours.map(({ by }) => by));
  const open = volumes.filter((volume) => !cannotWrite(volume, refusing));
  if (open.length > 0)
    return { proven: false, missing: `it may still write to ${open.map(({ name }) => name).join(', ')}` };
  return { proven: true, says: ours.map(({ says }) => says).join(' ') || 'its VMs use no volume' };
}
