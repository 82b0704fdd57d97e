import type { NodeHandlers } from '../api/handlers.ts';
import type { Clock } from '../clock/clock.ts';
import type { Run } from '../command/run.ts';
import { AppError } from '../contract/error.ts';
import { etcdPutSchema } from '../contract/etcd.ts';
import type { NodeEvent } from '../contract/events.ts';
import { timePutSchema, type UnitStatus } from '../contract/units.ts';
import { makeEtcdClient } from '../etcd/client.ts';
import { ensureEtcd, etcdStatus, removeEtcd } from '../etcd/server.ts';
import { localClientUrl } from '../etcd/server-config.ts';
import { systemEtcdFiles } from '../etcd/server-files.ts';
import { makeTransport } from '../etcd/transport.ts';
import { accepted } from '../files/accepted.ts';
import { readIfThere, removeFileDurably, writeFileAtomic } from '../files/atomic.ts';
import type { TlsIdentity } from '../identity/identity.ts';
import type { Log } from '../log/log.ts';
import type { Bus } from '../systemd/bus.ts';
import { makeMachine } from '../systemd/machine.ts';
import { chronyConfigPath, ensureTime, timeStatus } from '../systemd/time.ts';
import { makeUnits, type Units } from '../systemd/units.ts';
import { type RetryEnv, untilDone } from './retry.ts';

/** The units whose state the engine shows. */
export const watchedUnits = [
  'trefoil-node.service',
  'trefoil-ha.service',
  'libvirtd.service',
  'glusterd.service',
  'etcd.service',
  'chrony.service',
  'avahi-daemon.service',
  'systemd-networkd.service',
] as const;

export type SystemEnv = {
  stateDirectory: string;
  run: Run;
  clock: Clock;
  bus: Bus;
  tls(): TlsIdentity;
  hub: { publish(event: NodeEvent): void };
  log: Log;
};

export type System = {
  units: Units;
  handlers: Pick<NodeHandlers, 'getTime' | 'putTime' | 'getUnits' | 'getEtcd' | 'putEtcd'>;
  power(action: 'power-off' | 'reboot'): Promise<void>;
  setHostname(name: string): Promise<void>;
  unitStates(): Promise<UnitStatus[]>;
  /** brings about what was told before this start, and watches the units */
  start(retry: RetryEnv): void;
  leave: readonly { what: string; undo(): Promise<void> }[];
};

/** Units, power, time and etcd: the rooms `systemd` and `etcd` behind the contract's routes. */
export function wireSystem(env: SystemEnv): System {
  const { bus, clock, log, run } = env;
  const units = makeUnits({ bus, clock, log });
  const machine = makeMachine({ bus });
  const timeEnv = {
    run,
    units,
    readFile: readIfThere,
    // chrony reads it as its own user
    writeFile: (path: string, content: string) =>
      writeFileAtomic(path, content, { mode: 0o644, directoryMode: 0o755 }),
  };
  const etcdEnv = { files: systemEtcdFiles, units, log };
  const time = accepted(`${env.stateDirectory}/accepted/time.json`, timePutSchema, 'its time servers');
  const etcd = accepted(`${env.stateDirectory}/accepted/etcd.json`, etcdPutSchema, 'etcd');

  const certificates = () => {
    const { ca, certificate, key } = env.tls();
    if (ca === undefined) throw unjoined();
    return { ca, cert: certificate, key };
  };
  const statusOfEtcd = async () => {
    const { ca } = env.tls();
    if (ca === undefined)
      return {
        configured: false,
        running: false,
        healthy: false,
        reason: 'This host belongs to no cluster.',
      };
    const client = makeEtcdClient(
      { transport: makeTransport(certificates()), clock },
      { endpoints: [localClientUrl] },
    );
    try {
      return await etcdStatus(etcdEnv, client);
    } finally {
      await client.close();
    }
  };
  const unitStates = () =>
    Promise.all(
      watchedUnits.map(async (name) => {
        const { activeState, subState, result } = await units.status(name);
        return { name, activeState, subState, ...(result === undefined ? {} : { result }) };
      }),
    );

  return {
    units,
    handlers: {
      getTime: () => timeStatus({ run }),
      putTime: async ({ body }) => {
        await time.accept(0, body);
        await ensureTime(timeEnv, body);
        return timeStatus({ run });
      },
      getUnits: unitStates,
      getEtcd: statusOfEtcd,
      putEtcd: async ({ body }) => {
        const tls = certificates();
        await etcd.accept(body.generation, body);
        await ensureEtcd(etcdEnv, body, tls);
        return statusOfEtcd();
      },
    },
    power: (action) => (action === 'reboot' ? machine.reboot() : machine.powerOff()),
    setHostname: machine.setHostname,
    unitStates,
    start: (retry) => {
      void untilDone(retry, 'time servers', async () => {
        const told = await time.get();
        if (told !== undefined) await ensureTime(timeEnv, told.value);
      });
      void untilDone(retry, 'etcd', async () => {
        const member = await etcd.get();
        if (member !== undefined && env.tls().ca !== undefined)
          await ensureEtcd(etcdEnv, member.value, certificates());
      });
      for (const name of watchedUnits)
        void untilDone(retry, `watching ${name}`, async () => {
          await units.watch(name, (status) => env.hub.publish({ kind: 'unit', status }));
        });
    },
    leave: [
      {
        what: 'etcd',
        undo: async () => {
          await removeEtcd(etcdEnv);
          await etcd.forget();
        },
      },
      {
        what: 'time servers',
        undo: async () => {
          await time.forget();
          if ((await readIfThere(chronyConfigPath)) === undefined) return;
          await removeFileDurably(chronyConfigPath);
          await units.restart('chrony.service');
        },
      },
    ],
  };
}

const unjoined = (): AppError =>
  new AppError({
    code: 'host.unjoined',
    family: 'conflict',
    message: 'This host belongs to no cluster yet, so it has no certificate for etcd.',
    remedy: 'Pair it first.',
  });
