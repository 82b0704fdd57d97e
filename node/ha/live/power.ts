import type { FenceDevice, FenceOptions } from '../../contract/fence.ts';
import type { HostId } from '../../contract/ids.ts';
import type { Agents } from '../../fence/agent.ts';
import type { PowerFence } from '../../fence/power.ts';
import type { Log } from '../../log/log.ts';

/** The fence devices of other hosts, as the loop uses them. */
export type Power = {
  has(host: HostId): boolean;
  /** resolves with the sentence that proves it, and whether it was on before; rejects when no device did it */
  off(host: HostId, signal: AbortSignal): Promise<{ says: string; wasOn: boolean }>;
  /** as well as it goes: a device that fails here is told of in the log */
  on(host: HostId, signal: AbortSignal): Promise<void>;
};

type PowerEnv = {
  devicesOf(host: HostId): readonly FenceDevice[];
  openSecrets(device: FenceDevice): FenceOptions;
  fence: PowerFence;
  agents: Pick<Agents, 'status' | 'on'>;
  log: Log;
};

const askMs = 5_000;
const onMs = 20_000;

export function makePower(env: PowerEnv): Power {
  const callOf = (device: FenceDevice) => ({
    agent: device.agent,
    options: device.options,
    secrets: env.openSecrets(device),
  });
  return {
    has: (host) => env.devicesOf(host).length > 0,
    async off(host, signal) {
      const devices = env.devicesOf(host);
      const states = await Promise.all(
        devices.map(async (device) =>
          env.agents.status(callOf(device), { timeoutMs: askMs, signal }).catch(() => undefined),
        ),
      );
      const { says } = await env.fence.off(devices, signal);
      return { says, wasOn: states.includes('on') };
    },
    async on(host, signal) {
      for (const device of env.devicesOf(host))
        await env.agents
          .on(callOf(device), { timeoutMs: onMs, signal })
          .catch((error) => env.log.error('a host was not switched on again', error, { host }));
    },
  };
}
