import type { Lab, LabHost } from '../../lab/lab.ts';

/** What is done to the host that runs the VM, and what brings it back. */
export type Cut = {
  title: string;
  /** of the time from the cut until the VM runs again; from bars */
  goalMs: { p50: number; p95: number };
  /** the VM is the engine's own */
  ofEngine?: boolean;
  /** the VM comes back where it was */
  inPlace?: boolean;
  /** the host lives on: its own end of the VM is timed too */
  lives?: boolean;
  do(host: LabHost, vm: string): Promise<void>;
  mend(host: LabHost, lab: Lab): Promise<void>;
};

const killQemu = (host: LabHost, vm: string) =>
  host.exec(['pkill', '-KILL', '-f', `qemu.*${vm}`], { timeoutMs: 10_000 }).then(() => undefined);
const powerOn = async (host: LabHost) => {
  await host.powerOn();
  await host.waitBooted();
};
const noMend = async () => {};

export const cuts: Record<string, Cut> = {
  'power-off': {
    title: 'power off the host of an HA VM, no fence device: until it runs elsewhere',
    goalMs: { p50: 4_500, p95: 6_000 },
    do: (host) => host.powerOff(),
    mend: powerOn,
  },
  engine: {
    title: "power off the host of the engine's VM: until that VM runs elsewhere",
    goalMs: { p50: 5_000, p95: 8_000 },
    ofEngine: true,
    do: (host) => host.powerOff(),
    mend: powerOn,
  },
  networks: {
    title: 'both networks cut, host alive: until its VM runs elsewhere',
    goalMs: { p50: 4_500, p95: 6_000 },
    lives: true,
    do: async (host) => {
      await host.netDown('stor');
      await host.netDown('mgmt');
    },
    mend: async (host) => {
      await host.netUp('mgmt');
      await host.netUp('stor');
    },
  },
  freeze: {
    title: 'the host stands still for a minute (the zombie): until its VM runs elsewhere',
    goalMs: { p50: 4_500, p95: 6_000 },
    lives: true,
    do: (host) => host.freeze(),
    mend: async (host) => {
      await new Promise((resolve) => setTimeout(resolve, 60_000));
      await host.thaw();
    },
  },
  'kill-vm': {
    title: "the VM's QEMU is killed: until it runs again",
    goalMs: { p50: 8_000, p95: 8_000 },
    inPlace: true,
    do: killQemu,
    mend: noMend,
  },
  'kill-engine': {
    title: "the QEMU of the engine's VM is killed: until it runs again",
    goalMs: { p50: 8_000, p95: 8_000 },
    ofEngine: true,
    inPlace: true,
    do: killQemu,
    mend: noMend,
  },
};
