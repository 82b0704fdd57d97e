import type { Network } from './plan.ts';

/** Seen from the host: `in` is what comes to it, `out` is what it sends. */
export type Direction = 'in' | 'out' | 'both';
export type Cut = { host: string; network: Network; port: string; direction: Direction };

export function widen(old: Direction | undefined, cut: Direction): Direction {
  return old === undefined || old === cut ? cut : 'both';
}

/** What stays cut when one direction is mended. */
export function narrow(old: Direction | undefined, mended: Direction): Direction | undefined {
  if (old === undefined || mended === 'both' || old === mended) return undefined;
  if (old !== 'both') return old;
  return mended === 'in' ? 'out' : 'in';
}

/** One transaction that replaces all rules. Frames are dropped at the bridge's port; the host's link stays up. */
export function cutRules(cuts: readonly Cut[]): string {
  const chain = (cut: Cut, hook: 'ingress' | 'egress') =>
    `  chain ${cut.port}-${hook} { type filter hook ${hook} device "${cut.port}" priority 0; drop; }`;
  const chains = cuts.flatMap((cut) => [
    // what enters the bridge by this port is what the host sent
    ...(cut.direction === 'in' ? [] : [chain(cut, 'ingress')]),
    ...(cut.direction === 'out' ? [] : [chain(cut, 'egress')]),
  ]);
  return ['table netdev lab {}', 'delete table netdev lab', 'table netdev lab {', ...chains, '}', ''].join(
    '\n',
  );
}
