import type { Clock } from '../clock/clock.ts';
import { asAppError } from '../contract/error.ts';
import type { FenceDevice, FenceHealth, FenceOptions } from '../contract/fence.ts';
import type { HostId } from '../contract/ids.ts';
import type { Log } from '../log/log.ts';
import type { Agents } from './agent.ts';

/** Whether each fence device would answer, asked long before it is needed. */
export const healthTimings = { everyMs: 3_600_000, statusMs: 30_000 } as const;

export type HealthView = {
  /** hosts of the cluster */
  members: readonly HostId[];
  /** those that HA has heard of; empty: HA says nothing (yet) */
  online: readonly HostId[];
  leader: HostId | undefined;
};

/**
 * The one host that asks a device: not the one that it powers, since others will have to; the leader, since it would be
 * the one to use it; else the first by id. In a cluster of one host it asks itself.
 */
export function askerOf(host: HostId, view: HealthView): HostId | undefined {
  const there = view.members.filter((id) => view.online.length === 0 || view.online.includes(id));
  const others = there.filter((id) => id !== host).sort();
  if (view.leader !== undefined && others.includes(view.leader)) return view.leader;
  return others[0] ?? there[0];
}

export type Asked = { generation: number; atMs: number };

/** Devices that this host has to ask now. What it has not asked itself since its start is asked at once. */
export function dueDevices(
  own: HostId,
  devices: readonly FenceDevice[],
  view: HealthView,
  asked: ReadonlyMap<string, Asked>,
  nowMs: number,
): FenceDevice[] {
  return devices.filter((device) => {
    if (askerOf(device.host, view) !== own) return false;
    const last = asked.get(device.id);
    return (
      last === undefined ||
      last.generation !== device.generation ||
      nowMs - last.atMs >= healthTimings.everyMs
    );
  });
}

export type HealthNote = { severity: 'info' | 'warning'; about: HostId; text: string };

export type HealthEnv = {
  own: HostId;
  agents: Pick<Agents, 'status'>;
  clock: Clock;
  now(): Date;
  log: Log;
  openSecrets(device: FenceDevice): FenceOptions | Promise<FenceOptions>;
  look(signal: AbortSignal): Promise<{
    view: HealthView;
    devices: FenceDevice[];
    healths: FenceHealth[];
    names: ReadonlyMap<HostId, string>;
  }>;
  /** into the cluster's timeline, for people */
  note(note: HealthNote, signal: AbortSignal): Promise<void>;
  write(health: FenceHealth, signal: AbortSignal): Promise<void>;
  /** of a device that is no more */
  remove(id: string, signal: AbortSignal): Promise<void>;
};

export type Health = { tick(signal: AbortSignal): Promise<void> };

export function makeHealth(env: HealthEnv): Health {
  const asked = new Map<string, Asked>();
  return {
    async tick(signal) {
      const { view, devices, healths, names } = await env.look(signal);
      for (const { device } of healths)
        if (!devices.some(({ id }) => id === device)) await env.remove(device, signal);
      // one after the other: nothing waits for it
      for (const device of dueDevices(env.own, devices, view, asked, env.clock.now())) {
        const before = healths.find((one) => one.device === device.id);
        const health = sinceOf(before, await askOne(env, device, signal));
        tell(env.log, before, health);
        // First the note: after a crash between the two it may be there twice, but is never missing.
        const note = noteOf(device, names.get(device.host) ?? device.host, before, health);
        if (note !== undefined) await env.note(note, signal);
        await env.write(health, signal);
        asked.set(device.id, { generation: device.generation, atMs: env.clock.now() });
      }
    },
  };
}

async function askOne(env: HealthEnv, device: FenceDevice, signal: AbortSignal): Promise<FenceHealth> {
  const answer = await (async () => {
    try {
      const call = {
        agent: device.agent,
        options: device.options,
        secrets: await env.openSecrets(device),
      };
      const state = await env.agents.status(call, { timeoutMs: healthTimings.statusMs, signal });
      return { state, says: `answered: ${state}` };
    } catch (error) {
      signal.throwIfAborted();
      return { state: 'failed' as const, says: asAppError(error, 'asking a fence device').message };
    }
  })();
  return {
    v: 1,
    device: device.id,
    generation: device.generation,
    by: env.own,
    at: env.now().toISOString(),
    ...answer,
  };
}

const failing = ({ state }: FenceHealth): boolean => state === 'failed';

/** When it began to be as it is: kept as long as it goes on. */
export const sinceOf = (before: FenceHealth | undefined, health: FenceHealth): FenceHealth => ({
  ...health,
  since:
    before !== undefined && failing(before) === failing(health) ? (before.since ?? before.at) : health.at,
});

/** That it turned bad, and that it is well again; people are told through the cluster's timeline. */
export function noteOf(
  device: FenceDevice,
  hostName: string,
  before: FenceHealth | undefined,
  health: FenceHealth,
): HealthNote | undefined {
  const { ip } = device.options;
  const what = `The fence device of ${hostName} (${device.agent}${ip === undefined ? '' : ` at ${ip}`})`;
  const wasFailing = before !== undefined && failing(before);
  if (failing(health))
    return wasFailing
      ? undefined
      : { severity: 'warning', about: device.host, text: `${what} does not answer: ${health.says}` };
  return wasFailing ? { severity: 'info', about: device.host, text: `${what} answers again.` } : undefined;
}

/** A change is told once: a device that has been dead for a week is no news. */
function tell(log: Log, before: FenceHealth | undefined, { device, state, says }: FenceHealth): void {
  const was = before?.state;
  if ((was === 'failed') === (state === 'failed') && was !== undefined) return;
  const fields = { device, says };
  if (state === 'failed') log.warn(`fence device ${was ?? 'unknown'} -> failed`, fields);
  else log.info(`fence device ${was ?? 'unknown'} -> ${state}`, fields);
}
