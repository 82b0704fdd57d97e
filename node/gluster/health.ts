import type { VolumeState } from '../contract/storage.ts';
import type { OwnBrick, SelfHealLink } from './own.ts';
import type { ClientLink, HealCount, VolumeInfo, VolumeProcesses } from './parse.ts';

/** All that one host can see of one volume; undefined: it could not be seen this time. */
export type VolumeView = {
  info: VolumeInfo;
  /** the bricks that are on this host */
  own: OwnBrick[];
  /** this host's mount; `links` undefined when it does not answer */
  mount: { state: 'mounted' | 'stale' | 'not-mounted'; links: ClientLink[] | undefined };
  /** by a fresh client of its own */
  heal: HealCount[] | undefined;
  /** what this host's self-heal daemon is connected to */
  selfHeal: SelfHealLink[] | undefined;
  /** what glusterd believes; asked only when the others say nothing */
  processes: VolumeProcesses | undefined;
};

export type BrickHealth = {
  address: string;
  path: string;
  /** undefined: nobody could say */
  online: boolean | undefined;
  connectedHere: boolean | undefined;
  healPending: number | undefined;
};

export type Health = {
  state: VolumeState;
  summary: string;
  bricks: BrickHealth[];
  healPending: number | undefined;
  splitBrain: number | undefined;
};

const same = (one: { address: string; path: string }, other: { address: string; path: string }) =>
  one.address === other.address && one.path === other.path;
const sum = (numbers: (number | undefined)[]): number | undefined =>
  numbers.some((one) => one === undefined)
    ? undefined
    : numbers.reduce<number>((total, one) => total + (one ?? 0), 0);
const most = (numbers: (number | undefined)[]): number | undefined => {
  const known = numbers.filter((one) => one !== undefined);
  return known.length === 0 ? undefined : Math.max(...known);
};
const things = (count: number, one: string, many: string) =>
  count === 1 ? `one ${one}` : `${count} ${many}`;
const names = (list: readonly string[]) => [...new Set(list)].join(' and ');

export function bricksOf(view: VolumeView): BrickHealth[] {
  return view.info.bricks.map((brick) => ({
    address: brick.address,
    path: brick.path,
    online: isOnline(view, brick),
    connectedHere: view.mount.links?.find((one) => same(one, brick))?.connected,
    healPending: view.heal?.find((one) => same(one, brick))?.pending,
  }));
}

/** Whoever is connected to it proves it; for one's own, the process does. */
function isOnline(view: VolumeView, brick: { address: string; path: string }): boolean | undefined {
  if (view.own.find((one) => same(one, brick))?.alive === false) return false;
  if (view.mount.links?.find((one) => same(one, brick))?.connected === true) return true;
  return (
    view.heal?.find((one) => same(one, brick))?.connected ??
    view.processes?.bricks.find((one) => same(one, brick))?.online ??
    view.own.find((one) => same(one, brick))?.alive
  );
}

/** Bricks in their replica sets, in the volume's order. */
function setsOf(view: VolumeView, bricks: readonly BrickHealth[]): BrickHealth[][] {
  const sets: BrickHealth[][] = [];
  for (let at = 0; at < bricks.length; at += view.info.setSize)
    sets.push(bricks.slice(at, at + view.info.setSize));
  return sets;
}

/** Nobody could say, and this mount does not reach it: that is as good as away. */
const isAway = ({ online, connectedHere }: BrickHealth): boolean => !(online ?? connectedHere !== false);

/** With quorum-type auto a set of n takes writes while more than half of its bricks do. */
const quorum = (size: number) => Math.floor(size / 2) + 1;

/**
 * One state and one sentence for a volume as this host sees it. What glusterd says is never enough for "healthy": it
 * says online while a mount has lost a brick. Healthy = every brick online, this host's mount connected to each of
 * them, nothing to heal, no split-brain.
 */
export function judge(view: VolumeView): Health {
  const bricks = bricksOf(view);
  const sets = setsOf(view, bricks);
  // Each brick of a set names the same files, so the largest count of a set is what waits there.
  const healPending =
    view.heal === undefined ? undefined : sum(sets.map((set) => most(set.map((brick) => brick.healPending))));
  const splitBrain =
    view.heal === undefined
      ? undefined
      : most(view.heal.map((brick) => brick.splitBrain).filter((one) => one !== undefined));
  const verdict = (state: VolumeState, summary: string): Health => ({
    state,
    summary,
    bricks,
    healPending,
    splitBrain,
  });

  if (!view.info.started) return verdict('offline', 'The volume is stopped.');
  if ((splitBrain ?? 0) > 0)
    return verdict(
      'split-brain',
      `${things(splitBrain ?? 0, 'file differs', 'files differ')} between the hosts, and no copy is known to be the right one.`,
    );
  const away = bricks.filter(isAway);
  if (sets.some((set) => set.filter(isAway).length > set.length - quorum(set.length)))
    return verdict(
      'offline',
      `Too few copies can be reached: ${names(away.map(({ address }) => address))} is away.`,
    );
  if (view.mount.state === 'stale') return verdict('offline', "This host's mount of the volume has died.");
  if (bricks.some((brick) => brick.online === undefined && !isAway(brick)))
    return verdict('unknown', 'It could not be seen whether all copies of the volume are up.');
  const lost = bricks.filter((brick) => brick.connectedHere === false);
  if (
    sets.some(
      (set) => set.filter((brick) => brick.connectedHere === false).length > set.length - quorum(set.length),
    )
  )
    return verdict('offline', `This host is cut off from ${names(lost.map(({ address }) => address))}.`);
  if (away.length > 0)
    return verdict(
      'degraded',
      `The copy on ${names(away.map(({ address }) => address))} is away; the others carry on.`,
    );
  if (lost.length > 0)
    return verdict(
      'degraded',
      `This host has lost its connection to the copy on ${names(lost.map(({ address }) => address))}.`,
    );
  if (view.mount.state === 'mounted' && bricks.some((brick) => brick.connectedHere === undefined))
    return verdict('unknown', "This host's mount did not say what it is connected to.");
  if (healPending === undefined && view.info.setSize > 1)
    return verdict('unknown', 'It could not be seen whether anything waits to be healed.');
  if ((healPending ?? 0) > 0)
    return verdict(
      'healing',
      `${things(healPending ?? 0, 'file waits', 'files wait')} to be copied to all hosts.`,
    );
  return verdict(
    'healthy',
    view.info.setSize > 1
      ? 'Every copy is connected and up to date.'
      : 'The disk is there. There is one copy only.',
  );
}
