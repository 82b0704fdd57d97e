import { z } from 'zod';
import { AppError } from '../contract/error.ts';
import { generationSchema } from '../contract/ids.ts';
import {
  type HostNetwork,
  hostNetworkSchema,
  type NetworkPut,
  type NetworkStatus,
} from '../contract/network.ts';

/**
 * Commit-confirm, as a pure state machine; kept in network.json, written before each change takes effect.
 *
 *   settled --put--> trying --confirm--> settled (the new one)
 *                      \--deadline, or another boot--> settled (the old one), `reverted` says which was not kept
 *
 * Time is the machine's monotonic clock and belongs to one boot: a wall clock may jump just when the network changes.
 */
export const wantedSchema = z.object({
  generation: generationSchema,
  networks: z.array(hostNetworkSchema),
});
export const networkStateSchema = z.object({
  format: z.literal(1),
  /** undefined: nobody ever said anything; every card asks by DHCP */
  confirmed: wantedSchema.optional(),
  trying: wantedSchema.extend({ bootId: z.string(), deadlineMs: z.number() }).optional(),
  /** the newest generation that was not confirmed in time */
  reverted: generationSchema.optional(),
});
export type NetworkState = z.infer<typeof networkStateSchema>;

export const emptyState: NetworkState = { format: 1 };

export type Now = { bootId: string; ms: number };

/** What is in force, confirmed or being tried. */
export const inForce = ({ trying, confirmed }: NetworkState): HostNetwork[] =>
  (trying ?? confirmed)?.networks ?? [];

const newest = ({ trying, confirmed, reverted }: NetworkState): number =>
  Math.max(-1, trying?.generation ?? -1, confirmed?.generation ?? -1, reverted ?? -1);

const same = (one: readonly HostNetwork[], other: readonly HostNetwork[]): boolean =>
  JSON.stringify(one) === JSON.stringify(other);

/** The state after a PUT; the same object when there is nothing to do. */
export function put(state: NetworkState, wanted: NetworkPut, now: Now): NetworkState {
  const { generation, networks, confirmWithinMs } = wanted;
  if (generation < newest(state)) throw outdated(newest(state));
  const current = state.trying ?? state.confirmed;
  if (current?.generation === generation) {
    if (!same(current.networks, networks)) throw contradicts(generation);
    if (state.trying === undefined) return state;
  }
  return {
    format: 1,
    ...(state.confirmed === undefined ? {} : { confirmed: state.confirmed }),
    trying: { generation, networks, bootId: now.bootId, deadlineMs: now.ms + confirmWithinMs },
  };
}

export function confirm(state: NetworkState, generation: number): NetworkState {
  if (state.trying?.generation === generation) {
    const { networks } = state.trying;
    return { format: 1, confirmed: { generation, networks } };
  }
  if (state.trying === undefined && state.confirmed?.generation === generation) return state;
  if (state.reverted === generation) throw alreadyReverted(generation);
  throw notTried(generation);
}

/** The state that time alone makes of it: a trial that was not confirmed in time, or in its boot, is taken back. */
export function elapse(state: NetworkState, now: Now): NetworkState {
  const { trying } = state;
  if (trying === undefined) return state;
  if (trying.bootId === now.bootId && now.ms < trying.deadlineMs) return state;
  return revert(state);
}

export function revert({ confirmed, trying }: NetworkState): NetworkState {
  return {
    format: 1,
    ...(confirmed === undefined ? {} : { confirmed }),
    ...(trying === undefined ? {} : { reverted: trying.generation }),
  };
}

export function statusOf(state: NetworkState): Omit<NetworkStatus, 'nics'> {
  const { trying, confirmed, reverted } = state;
  if (trying !== undefined)
    return { state: 'waiting-for-confirmation', generation: trying.generation, networks: trying.networks };
  if (reverted !== undefined)
    return { state: 'reverted', generation: reverted, networks: confirmed?.networks ?? [] };
  if (confirmed !== undefined)
    return { state: 'confirmed', generation: confirmed.generation, networks: confirmed.networks };
  return { state: 'default', generation: 0, networks: [] };
}

const outdated = (newer: number): AppError =>
  new AppError({
    code: 'network.outdated',
    family: 'conflict',
    message: 'This host was already told something newer about its networks.',
    details: { generation: newer },
  });

const contradicts = (generation: number): AppError =>
  new AppError({
    code: 'network.contradiction',
    family: 'conflict',
    message: 'This host was told something else about its networks under the same number.',
    details: { generation },
  });

const alreadyReverted = (generation: number): AppError =>
  new AppError({
    code: 'network.reverted',
    family: 'conflict',
    message: 'The change of the networks was not confirmed in time, so the host has taken it back.',
    remedy: 'Check the settings, above all address, VLAN and card, and try again.',
    details: { generation },
  });

const notTried = (generation: number): AppError =>
  new AppError({
    code: 'network.nothing-to-confirm',
    family: 'conflict',
    message: 'There is no such change of the networks to confirm.',
    details: { generation },
  });
