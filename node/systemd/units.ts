import type { z } from 'zod';
import type { Clock } from '../clock/clock.ts';
import { unreadable } from '../command/run.ts';
import { AppError } from '../contract/error.ts';
import type { UnitStatus } from '../contract/units.ts';
import type { Log } from '../log/log.ts';
import type { Bus } from './bus.ts';
import { type Jobs, makeJobs, manager, subscribeToManager } from './jobs.ts';
import {
  goodJobResults,
  jobResultWords,
  typePropertiesSchema,
  type UnitDetails,
  unitPropertiesSchema,
} from './model.ts';
import { unitObjectPath } from './names.ts';

export type JobOptions = { timeoutMs?: number; signal?: AbortSignal };

/** systemd's units by name. start, stop and restart return when systemd says that the job is done. */
export type Units = {
  start(unit: string, options?: JobOptions): Promise<void>;
  stop(unit: string, options?: JobOptions): Promise<void>;
  restart(unit: string, options?: JobOptions): Promise<void>;
  reload(unit: string, options?: JobOptions): Promise<void>;
  /** asks for a start and does not wait for how it ends */
  startWithoutWaiting(unit: string): Promise<void>;
  restartWithoutWaiting(unit: string): Promise<void>;
  /** a signal to every process of an active unit, also to those that its KillMode spares */
  killAll(unit: string, signal: number): Promise<void>;
  status(unit: string): Promise<UnitDetails>;
  /** started at each boot from now on (its [Install] section says by what) */
  enable(units: readonly string[]): Promise<void>;
  disable(units: readonly string[]): Promise<void>;
  mask(units: readonly string[]): Promise<void>;
  /** after unit files were written or removed */
  daemonReload(): Promise<void>;
  resetFailed(unit: string): Promise<void>;
  /** tells the unit's state now and whenever it has changed, also when the bus was away meanwhile */
  watch(unit: string, listener: (status: UnitStatus) => void): Promise<() => void>;
};

const defaultJobMs = 100_000; // systemd's own default is 90 s; it should be the one to give up
const reloadMs = 60_000;

/** The D-Bus interface with a unit type's own properties. */
const typeInterface = (unit: string): string | undefined => {
  const type = unit.slice(unit.lastIndexOf('.') + 1);
  const known: Record<string, string> = {
    service: 'Service',
    mount: 'Mount',
    socket: 'Socket',
    timer: 'Timer',
  };
  return known[type] === undefined ? undefined : `org.freedesktop.systemd1.${known[type]}`;
};

const doneWords: Record<string, string> = {
  StartUnit: 'started',
  StopUnit: 'stopped',
  RestartUnit: 'restarted',
  ReloadUnit: 'reloaded',
};

export function makeUnits(env: { bus: Bus; clock: Clock; log: Log }, jobs: Jobs = makeJobs(env)): Units {
  async function properties<S extends z.ZodType>(unit: string, of: string, schema: S): Promise<z.output<S>> {
    const [all] = await env.bus.call({
      destination: manager.destination,
      path: unitObjectPath(unit),
      interface: 'org.freedesktop.DBus.Properties',
      member: 'GetAll',
      signature: 's',
      body: [of],
    });
    const parsed = schema.safeParse(all);
    if (!parsed.success) throw unreadable('systemd', `the properties of ${unit}`, parsed.error);
    return parsed.data;
  }

  async function status(unit: string): Promise<UnitDetails> {
    const common = await properties(unit, 'org.freedesktop.systemd1.Unit', unitPropertiesSchema);
    const type = typeInterface(unit);
    const own = type === undefined ? {} : await properties(unit, type, typePropertiesSchema);
    return {
      name: unit,
      activeState: common.ActiveState,
      subState: common.SubState,
      ...(own.Result === undefined ? {} : { result: own.Result }),
      loadState: common.LoadState,
      fileState: common.UnitFileState,
      needsReload: common.NeedDaemonReload,
      mainPid: own.MainPID === 0 ? undefined : own.MainPID,
      exitStatus: own.ExecMainStatus,
    };
  }

  async function job(member: keyof typeof doneWords, unit: string, options: JobOptions = {}): Promise<void> {
    const result = await jobs.run(member, unit, { timeoutMs: defaultJobMs, ...options });
    if (goodJobResults.has(result)) return;
    const after = await status(unit).catch(() => undefined);
    // the result was missed: what the unit is now tells it
    const wanted = member === 'StopUnit' ? ['inactive', 'failed'] : ['active', 'reloading'];
    if (result === 'gone' && after !== undefined && wanted.includes(after.activeState)) return;
    throw new AppError({
      code: 'unit.job-failed',
      family: 'unavailable',
      message: `${unit} could not be ${doneWords[member]}: ${jobResultWords[result] ?? result}.`,
      remedy: `See what it logged: journalctl -u ${unit}`,
      details: { unit, result, after },
    });
  }

  const change = async (member: string, signature: string, body: readonly unknown[]) => {
    await env.bus.call({ ...manager, member, signature, body }, { timeoutMs: reloadMs });
  };
  const reload = async () => {
    await env.bus.call({ ...manager, member: 'Reload' }, { timeoutMs: reloadMs });
  };

  return {
    start: (unit, options) => job('StartUnit', unit, options),
    stop: (unit, options) => job('StopUnit', unit, options),
    restart: (unit, options) => job('RestartUnit', unit, options),
    reload: (unit, options) => job('ReloadUnit', unit, options),
    startWithoutWaiting: (unit) => change('StartUnit', 'ss', [unit, 'replace']),
    restartWithoutWaiting: (unit) => change('RestartUnit', 'ss', [unit, 'replace']),
    killAll: (unit, signal) => change('KillUnit', 'ssi', [unit, 'all', signal]),
    status,
    async enable(units) {
      await change('EnableUnitFiles', 'asbb', [units, false, true]);
      await reload();
    },
    async disable(units) {
      await change('DisableUnitFiles', 'asb', [units, false]);
      await reload();
    },
    async mask(units) {
      await change('MaskUnitFiles', 'asbb', [units, false, true]);
      await reload();
    },
    daemonReload: reload,
    resetFailed: (unit) => change('ResetFailedUnit', 's', [unit]),

    async watch(unit, listener) {
      let last: string | undefined;
      let reading = false;
      let again = false;
      let ended = false;
      // one read at a time, and one more when something changed meanwhile: the last state is never missed
      const read = async () => {
        again = true;
        if (reading) return;
        reading = true;
        try {
          while (again && !ended) {
            again = false;
            const { name, activeState, subState, result } = await status(unit);
            const now = { name, activeState, subState, ...(result === undefined ? {} : { result }) };
            const text = JSON.stringify(now);
            if (text === last || ended) continue;
            last = text;
            listener(now);
          }
        } catch (error) {
          env.log.warn('unit state could not be read', { unit, reason: String(error) });
        } finally {
          reading = false;
        }
      };
      const offSignal = await env.bus.subscribe(
        {
          sender: manager.destination,
          path: unitObjectPath(unit),
          interface: 'org.freedesktop.DBus.Properties',
          member: 'PropertiesChanged',
        },
        () => void read(),
      );
      const offConnected = env.bus.onConnected(() => void read());
      await subscribeToManager(env.bus);
      await read();
      return () => {
        ended = true;
        offSignal();
        offConnected();
      };
    },
  };
}
