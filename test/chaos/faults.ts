import { setClock } from '../lab/clock.ts';
import type { Lab, LabHost } from '../lab/lab.ts';

/** What can happen to a real cluster, and what ends it. Ends can be called at any time, also when nothing has begun. */
export type Fault = {
  /** how often it is drawn, beside the others */
  weight: number;
  /** how long it lasts at most; 0: it is over at once */
  secondsAtMost: number;
  begin(host: LabHost, lab: Lab): Promise<void>;
  end(host: LabHost, lab: Lab): Promise<void>;
};

const nothing = async () => {};
const command = (host: LabHost, ...argv: string[]) =>
  host.exec(argv, { timeoutMs: 20_000, okExitCodes: [1] }).then(() => undefined);
const signal = (host: LabHost, name: string, unit: string) =>
  command(host, 'systemctl', 'kill', `--signal=${name}`, unit);

const killed = (unit: string): Fault => ({
  weight: 1,
  secondsAtMost: 0,
  begin: (host) => signal(host, 'KILL', unit),
  end: nothing,
});
const hung = (unit: string): Fault => ({
  weight: 1,
  secondsAtMost: 30,
  begin: (host) => signal(host, 'STOP', unit),
  end: (host) => signal(host, 'CONT', unit),
});
const clock = (offset: string): Fault => ({
  weight: 1,
  secondsAtMost: 20,
  begin: (host) => setClock(host, 'trefoil-ha.service', offset),
  end: (host) => setClock(host, 'trefoil-ha.service', 'off'),
});
const powerOn = async (host: LabHost) => {
  if ((await host.state()) !== 'off') return;
  await host.powerOn();
  await host.waitBooted();
};

export const faults = {
  'power off': {
    weight: 4,
    secondsAtMost: 40,
    begin: (host) => host.powerOff(),
    end: powerOn,
  },
  'all power off': {
    weight: 1,
    secondsAtMost: 20,
    begin: async (_, lab) => void (await Promise.all(lab.hosts.map((host) => host.powerOff()))),
    end: async (_, lab) => void (await Promise.all(lab.hosts.map(powerOn))),
  },
  'both networks cut': {
    weight: 3,
    secondsAtMost: 40,
    begin: async (host) => {
      await host.netDown('stor');
      await host.netDown('mgmt');
    },
    end: async (host) => {
      await host.netUp('mgmt');
      await host.netUp('stor');
    },
  },
  'management network cut': {
    weight: 2,
    secondsAtMost: 30,
    begin: (host) => host.netDown('mgmt'),
    end: (host) => host.netUp('mgmt'),
  },
  'management network deaf': {
    weight: 1,
    secondsAtMost: 30,
    begin: (host) => host.netDown('mgmt', 'in'),
    end: (host) => host.netUp('mgmt', 'in'),
  },
  'storage network cut': {
    weight: 2,
    secondsAtMost: 30,
    begin: (host) => host.netDown('stor'),
    end: (host) => host.netUp('stor'),
  },
  'stands still': {
    weight: 3,
    secondsAtMost: 60,
    begin: (host) => host.freeze(),
    end: async (host) => {
      if ((await host.state()) === 'frozen') await host.thaw();
    },
  },
  'QEMU killed': {
    weight: 2,
    secondsAtMost: 0,
    begin: (host) => command(host, 'pkill', '-KILL', 'qemu-system'),
    end: nothing,
  },
  'bricks killed': {
    weight: 1,
    secondsAtMost: 0,
    begin: (host) => command(host, 'pkill', '-KILL', 'glusterfsd'),
    end: nothing,
  },
  'HA agent killed': killed('trefoil-ha.service'),
  'host agent killed': killed('trefoil-node.service'),
  'etcd killed': killed('etcd.service'),
  'libvirt killed': killed('libvirtd.service'),
  'HA agent hung': hung('trefoil-ha.service'),
  'host agent hung': hung('trefoil-node.service'),
  'libvirt hung': hung('libvirtd.service'),
  'etcd hung': hung('etcd.service'),
  'clock an hour ahead': clock('+1h'),
  'clock an hour behind': clock('-1h'),
} satisfies Record<string, Fault>;

export type FaultName = keyof typeof faults;
export const faultNames = Object.keys(faults) as FaultName[];
export const faultOf = (name: FaultName): Fault => faults[name];
