import type { FenceDevice, FenceHealth } from '../../node/contract/fence.ts';
import type { HostId } from '../../node/contract/ids.ts';
import type { FenceDeviceSight } from '../contract/fence.ts';
import type { Kept } from '../ha/view.ts';
import { labelOf } from './kinds.ts';

export type Member = { id: HostId; name: string };
/** By host: which key its secrets must be sealed to, where that was heard; see `FenceSecrets`. */
export type RecipientKeys = ReadonlyMap<HostId, string>;

/** The hosts that would use it: not the one that it powers, unless that is the only one. */
export const usersOf = <M extends { id: HostId }>(host: HostId, members: readonly M[]): M[] => {
  const others = members.filter(({ id }) => id !== host);
  return others.length > 0 ? others : [...members];
};

/** As they are used: lower orders first. */
export const devicesOf = (all: Iterable<Kept<FenceDevice>>, host: HostId): Kept<FenceDevice>[] =>
  [...all]
    .filter(({ value }) => value.host === host)
    .sort((a, b) => a.value.order - b.value.order || (a.value.id < b.value.id ? -1 : 1));

export function fenceSightOf(
  device: FenceDevice,
  health: FenceHealth | undefined,
  members: readonly Member[],
  keys: RecipientKeys,
): FenceDeviceSight {
  const { id, host, agent, options, secrets, order, generation } = device;
  // What was said of the device as it was before it was changed says nothing.
  const heard = health?.generation === generation ? health : undefined;
  const nameOf = (each: HostId) => members.find((member) => member.id === each)?.name ?? 'A host';
  return {
    id,
    agent,
    label: labelOf(agent),
    options,
    secrets: secrets.names,
    order,
    state: heard?.state ?? 'unknown',
    says: saysOf(heard, nameOf),
    ...(heard === undefined ? {} : { since: heard.since ?? heard.at }),
    lacking:
      secrets.names.length === 0
        ? []
        : usersOf(host, members)
            .filter((member) => !holds(device, member.id, keys))
            .map(({ id, name }) => ({ id, name })),
  };
}

/** Whether this host has a copy that, as far as is known, its present key opens. */
export function holds({ secrets }: FenceDevice, host: HostId, keys: RecipientKeys): boolean {
  const copy = secrets.copies[host];
  const key = keys.get(host);
  return copy !== undefined && (key === undefined || copy.key === key);
}

function saysOf(health: FenceHealth | undefined, nameOf: (id: HostId) => string): string {
  switch (health?.state) {
    case undefined:
      return 'It has not been asked yet; that takes a minute or two.';
    case 'on':
    case 'off':
      return `It answers ${nameOf(health.by)}: the power is ${health.state}.`;
    case 'failed':
      return `It does not answer ${nameOf(health.by)}: ${health.says}`;
  }
}

/** What could prove that a lost host writes nothing any more, and what it costs that something is missing. */
export function proofsSay(proofs: {
  storage: boolean;
  watchdog: boolean;
  devices: readonly Pick<FenceDeviceSight, 'state' | 'order'>[];
}): string {
  const failing = proofs.devices.filter(({ state }) => state === 'failed').length;
  const devices = proofs.devices.length;
  // Those of one order must all say off: one that is silent spoils the others.
  const orders = new Set(proofs.devices.map(({ order }) => order));
  for (const { order, state } of proofs.devices) if (state === 'failed') orders.delete(order);
  const ways = [
    ...(proofs.storage ? ['the others keep it off the storage'] : []),
    ...(orders.size > 0
      ? [devices > 1 ? 'fence devices switch it off' : 'its fence device switches it off']
      : []),
    ...(proofs.watchdog ? ['its watchdog resets it'] : []),
  ];
  const silent =
    failing === 0
      ? []
      : [
          failing === 1 && devices === 1
            ? 'Its fence device does not answer.'
            : `${failing} of its ${devices} fence devices ${failing === 1 ? 'does' : 'do'} not answer.`,
        ];
  if (ways.length === 0)
    return [
      'Should it be lost, nothing proves by itself that it is off: its VMs stay down until a person confirms it.',
      ...silent,
      'A watchdog or a fence device would.',
    ].join(' ');
  return [
    `Should it be lost, ${listed(ways)}.`,
    ...silent,
    ...(proofs.watchdog
      ? []
      : [
          `It has no watchdog: if ${ways.length === 1 ? 'that fails' : 'both fail'}, its VMs stay down until a person confirms that it is off.`,
        ]),
  ].join(' ');
}

const listed = (ways: readonly string[]): string =>
  ways.length < 2 ? ways.join('') : `${ways.slice(0, -1).join(', ')}, or ${ways.at(-1)}`;
