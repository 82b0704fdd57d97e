import { haKeys } from '../../node/contract/ha.ts';
import { decide } from '../../node/ha/decide.ts';
import type { Action, Observation, View } from '../../node/ha/model.ts';
import type { Decide } from './agents.ts';

/**
 * The core with one of its rules taken out: by what it is shown, or by what is left of what it wants. Each must be caught:
 * by the scenario that is named, or by random schedules.
 */
export type Mutant = { rule: string; scenario: string; decide: Decide };

const withView = (seen: Observation, change: (view: View) => Partial<View>): Observation =>
  seen.view === undefined ? seen : { ...seen, view: { ...seen.view, ...change(seen.view) } };

const onSeen =
  (change: (seen: Observation) => Observation): Decide =>
  (memory, seen, times) =>
    decide(memory, change(seen), times);

const onActions =
  (change: (action: Action) => Action): Decide =>
  (memory, seen, times) => {
    const decision = decide(memory, seen, times);
    return { ...decision, actions: decision.actions.map((action) => change(action)) };
  };

const mapValues = <K, V>(map: ReadonlyMap<K, V>, change: (value: V) => V): Map<K, V> =>
  new Map([...map].map(([key, value]) => [key, change(value)]));

export const mutants: Mutant[] = [
  {
    rule: 'a host that spares its VMs while HA is disarmed proves nothing by its watchdog',
    scenario: 'disarmed-cut-off-then-armed',
    decide: onSeen((seen) =>
      withView(seen, ({ disarmed, watchdogs }) => ({
        watchdogs:
          disarmed === undefined ? watchdogs : new Map([...watchdogs].filter(([host]) => host !== seen.self)),
      })),
    ),
  },
  {
    rule: 'a fence holds only by a proof',
    scenario: 'external-no-proof',
    decide: onSeen((seen) =>
      withView(seen, ({ fences }) => ({
        proofs: new Map(
          [...fences.values()].map(({ value: { id, host } }) => [
            id,
            [{ v: 1, fence: id, by: otherThan(seen, host), kind: 'person', says: 'nobody.' }],
          ]),
        ),
      })),
    ),
  },
  {
    rule: 'what runs here in another epoch is ended',
    scenario: 'leftover-of-an-earlier-epoch',
    decide: onSeen((seen) => ({
      ...seen,
      vms: seen.vms?.map((local) => ({
        ...local,
        epoch: seen.view?.assignments.get(local.vm)?.value.epoch ?? local.epoch,
      })),
    })),
  },
  {
    rule: 'without contact everything is ended',
    scenario: 'watchdog-proof-of-a-host-that-is-cut-off',
    decide: onSeen((seen) =>
      seen.contactMs === undefined
        ? seen
        : { ...seen, contactMs: Math.max(seen.contactMs, seen.nowMs - 4_000) },
    ),
  },
  {
    rule: 'each write of a leader names the leader’s record',
    scenario: 'leader-with-a-late-write',
    decide: onActions((action) =>
      action.kind === 'write' && action.key !== haKeys.leader
        ? { ...action, guards: action.guards.filter(({ key }) => key !== haKeys.leader) }
        : action,
    ),
  },
  {
    rule: 'what is being moved is not started at its source',
    scenario: 'move-and-the-target-stays-silent',
    // It must also have forgotten that it was moved away: either rule alone keeps it from being started twice.
    decide: onSeen((seen) =>
      withView({ ...seen, ends: seen.ends.filter(({ how }) => how !== 'moved') }, ({ assignments }) => ({
        assignments: mapValues(assignments, (kept) => {
          const { movingTo, ...value } = kept.value;
          return movingTo === seen.self ? kept : { ...kept, value };
        }),
      })),
    ),
  },
  {
    rule: 'a host that is fenced comes back only when it runs nothing',
    scenario: 'ends-hang-on-a-fenced-host',
    decide: onSeen((seen) =>
      withView(seen, ({ fences, reports }) => ({
        returns: new Map(
          [...fences.values()].map(({ value }) => [
            value.host,
            {
              v: 1,
              fence: value.id,
              host: value.host,
              instance: reports.get(value.host)?.value.instance ?? '',
            },
          ]),
        ),
      })),
    ),
  },
];

const otherThan = (seen: Observation, host: string) =>
  seen.view?.members.find(({ id }) => id !== host)?.id ?? seen.self;
