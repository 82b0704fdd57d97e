import type { VolumeState, VolumeStatus } from '../../node/contract/storage.ts';
import type { Volume } from '../contract/storage.ts';

/** What one online host says of one volume. */
export type VolumeSight = { hostName: string; storageAddress: string; status: VolumeStatus };

/** The worse comes first: what one host sees wrong is wrong. */
const worstFirst: readonly VolumeState[] = [
  'split-brain',
  'offline',
  'degraded',
  'healing',
  'unknown',
  'healthy',
];

/**
 * One volume, from what all hosts see of it. Healthy only if every host that mounts it is connected to every brick,
 * nothing is left to heal and nothing is in split-brain: a brick process that runs proves nothing.
 */
export function mergeVolume(
  name: string,
  forVms: boolean,
  sights: readonly VolumeSight[],
  hostNameOf: (storageAddress: string) => string,
): Volume | undefined {
  const [first] = sights;
  if (first === undefined) return undefined;
  const mounted = sights.filter(({ status }) => status.mounted);
  const states = sights.map(({ status }) => status.state);
  const worst = worstFirst.find((state) => states.includes(state)) ?? 'unknown';
  const newest = sights.reduce((a, b) => (a.status.checkedAt >= b.status.checkedAt ? a : b)).status;
  const bricks = first.status.bricks.map(({ address, path }) => {
    const views = sights.flatMap(({ hostName, status }) =>
      status.bricks
        .filter((brick) => brick.address === address && brick.path === path)
        .map((brick) => ({ hostName, brick })),
    );
    const pending = max(views.map(({ brick }) => brick.healPending));
    return {
      host: hostNameOf(address),
      path,
      online: views.some(({ brick }) => brick.online),
      missingFrom: views
        .filter(({ brick }) => brick.connectedHere === false)
        .map(({ hostName }) => hostName)
        .sort(),
      ...(pending === undefined ? {} : { healPending: pending }),
    };
  });
  const cut = bricks.some(({ online, missingFrom }) => !online || missingFrom.length > 0);
  const state = worst === 'healthy' && cut ? 'degraded' : worst;
  const speaker = sights.find(({ status }) => status.state === worst)?.status ?? newest;
  return {
    name,
    state,
    summary: state === 'degraded' && worst === 'healthy' ? cutSentence(bricks) : speaker.summary,
    layout: newest.layout,
    forVms,
    // Sizes are known where it is mounted.
    sizeMiB: max((mounted.length > 0 ? mounted : sights).map(({ status }) => status.sizeMiB)) ?? 0,
    freeMiB: max((mounted.length > 0 ? mounted : sights).map(({ status }) => status.freeMiB)) ?? 0,
    healPending: max(sights.map(({ status }) => status.healPending)) ?? 0,
    splitBrain: max(sights.map(({ status }) => status.splitBrain)) ?? 0,
    bricks,
    checkedAt: newest.checkedAt,
  };
}

function cutSentence(bricks: Volume['bricks']): string {
  const brick = bricks.find(({ online, missingFrom }) => !online || missingFrom.length > 0);
  if (brick === undefined) return '';
  return brick.online
    ? `${brick.missingFrom.join(', ')} ${brick.missingFrom.length === 1 ? 'is' : 'are'} not connected to the copy on ${brick.host}.`
    : `The copy on ${brick.host} is offline.`;
}

const max = (values: ReadonlyArray<number | undefined>): number | undefined => {
  const known = values.filter((value) => value !== undefined);
  return known.length === 0 ? undefined : Math.max(...known);
};
