import type { HostId } from '../contract/ids.ts';
import { majorityOf, mayBeFenced, type View } from './model.ts';

/** What the hosts say of each other, counted. A host whose report is gone with its lease has no voice. */

const voices = (view: View, about: HostId) =>
  [...view.reports.values()].filter(({ value }) => value.host !== about).map(({ value }) => value);

/** More than half of all members, itself not among them, have not heard the host. */
export const silentForMajority = (view: View, host: HostId): boolean =>
  voices(view, host).filter(({ silent }) => silent.includes(host)).length >= majorityOf(view.members.length);

/** Heard by each one that has a voice, and these are more than half. */
export const heardByMajority = (view: View, host: HostId): boolean => {
  const all = voices(view, host);
  const hear = all.filter(({ silent }) => !silent.includes(host)).length;
  return hear === all.length && hear + 1 >= majorityOf(view.members.length);
};

/** A cluster never takes away more hosts than it can lose. */
export const mayFenceOneMore = (view: View): boolean =>
  view.members.filter(({ id }) => mayBeFenced(view, id)).length + 1 <=
  view.members.length - majorityOf(view.members.length);
