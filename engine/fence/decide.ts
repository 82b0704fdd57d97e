import { AppError } from '../../node/contract/error.ts';
import type { FenceDevice, FenceOptions } from '../../node/contract/fence.ts';
import type { HostId } from '../../node/contract/ids.ts';
import type { Kept } from '../ha/view.ts';

/** What tells one machine's power from another's at the same device. */
const places = ['ip', 'ipport', 'plug', 'switch', 'systems_uri', 'target'];
const placeOf = (options: FenceOptions): string =>
  JSON.stringify(places.map((name) => (options[name] ?? '').trim().toLowerCase()));

type Target = Pick<FenceDevice, 'id' | 'host' | 'agent' | 'options'>;

/**
 * One power belongs to one host. Were the same given to two, fencing one of them would switch off the other, and its "off"
 * would prove nothing of the lost one: its VMs would run twice.
 */
export function checkNewTarget(
  wanted: Target,
  all: readonly Kept<FenceDevice>[],
  nameOf: (host: HostId) => string,
): void {
  const { ip } = wanted.options;
  if (ip === undefined) return;
  const same = all
    .map(({ value }) => value)
    .filter(({ id, options }) => id !== wanted.id && placeOf(options) === placeOf(wanted.options));
  const foreign = same.find(({ host }) => host !== wanted.host);
  if (foreign !== undefined)
    throw new AppError({
      code: 'fence.of-other-host',
      family: 'conflict',
      message: `This is already the fence device of ${nameOf(foreign.host)}: it would switch off ${nameOf(foreign.host)} instead.`,
      remedy: 'Enter the address (or the plug) of this host’s own device.',
    });
  if (same.some(({ agent }) => agent === wanted.agent))
    throw new AppError({
      code: 'fence.already-there',
      family: 'conflict',
      message: `${nameOf(wanted.host)} already has this fence device.`,
      remedy: 'Edit that one.',
    });
}

/** A kept secret would be told to another place than the one that it was typed for. */
export function movesSecrets(
  before: Pick<FenceDevice, 'options' | 'secrets'>,
  options: FenceOptions,
  secrets: FenceOptions,
): boolean {
  const isKept = before.secrets.names.some((name) => secrets[name] === undefined);
  return isKept && ['ip', 'ipport'].some((name) => (before.options[name] ?? '') !== (options[name] ?? ''));
}
