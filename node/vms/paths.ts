import type { VmId } from '../contract/ids.ts';

/** Where the things of VMs are on a host. Volumes are shared by all hosts, the rest is this host's own. */
export type VmPaths = {
  /** volumes are mounted below it */
  volumes: string;
  /** VNC sockets, made by QEMU */
  vnc: string;
  /** sockets for the time of a migration: the agent's on the source, QEMU's on the target */
  migration: string;
  /** what VMs wrote to their serial console */
  console: string;
  /** what this host was told to run: one file a VM */
  specs: string;
};

export const hostPaths = (stateDirectory: string, runDirectory: string, logDirectory: string): VmPaths => ({
  volumes: `${stateDirectory}/volumes`,
  vnc: `${runDirectory}/vnc`,
  migration: `${runDirectory}/migration`,
  console: `${logDirectory}/console`,
  specs: `${stateDirectory}/vms`,
});

export const onVolume = (paths: Pick<VmPaths, 'volumes'>, volume: string, path: string): string =>
  `${paths.volumes}/${volume}/${path}`;

export const seedPath = (id: VmId): string => `seeds/${id}.raw`;
export const nvramPath = (id: VmId): string => `nvram/${id}.fd`;
export const vncSocket = (paths: Pick<VmPaths, 'vnc'>, id: VmId): string => `${paths.vnc}/${id}.sock`;
export const consoleLog = (paths: Pick<VmPaths, 'console'>, id: VmId): string => `${paths.console}/${id}.log`;
/** The source's libvirt reaches the target's through this socket. */
export const libvirtSocket = (paths: Pick<VmPaths, 'migration'>, id: VmId): string =>
  `${paths.migration}/${id}-libvirt.sock`;
/** The same path on both hosts: QEMU listens there on the target, the agent on the source. */
export const migrationSocket = (paths: Pick<VmPaths, 'migration'>, id: VmId): string =>
  `${paths.migration}/${id}-memory.sock`;
