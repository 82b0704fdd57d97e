import type { FenceOptions } from '../../../node/contract/fence.ts';
import type { HostId } from '../../../node/contract/ids.ts';
import { refuse } from './handlers.ts';
import type { FakeWorld } from './model.ts';

/**
 * A device that switches a machine's power. One that nobody has put into `world.powerDevices` says "on" to any password
 * but "wrong".
 */
export type FakePowerDevice = {
  state: 'on' | 'off';
  password?: string;
  /** it answers nobody */
  dead?: boolean;
  /** hosts that do not reach it */
  hiddenFrom?: ReadonlySet<HostId>;
  /** hosts that asked it */
  askedBy: HostId[];
};

export function askPower(
  world: FakeWorld,
  by: HostId,
  options: FenceOptions,
  secrets: FenceOptions,
): 'on' | 'off' {
  const { ip = '' } = options;
  const device = world.powerDevices.get(ip);
  device?.askedBy.push(by);
  if (device?.dead === true || device?.hiddenFrom?.has(by) === true)
    throw refuse('unavailable', 'fence.failed', `Nothing answers at ${ip}.`);
  const isRefused =
    device?.password === undefined
      ? secrets['password'] === 'wrong'
      : secrets['password'] !== device.password;
  if (isRefused)
    throw refuse('denied', 'fence.login-refused', 'The device refused the user or the password.');
  return device?.state ?? 'on';
}
