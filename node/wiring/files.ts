import { access, constants, readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { NodeHandlers, StreamHandlers } from '../api/handlers.ts';
import type { Clock } from '../clock/clock.ts';
import type { Run } from '../command/run.ts';
import type { Log } from '../log/log.ts';
import type { Tasks } from '../tasks/registry.ts';
import { type Accelerator, bootsWithKvm, makeAccelerator } from '../vms/accelerator.ts';
import { makeDiskFiles } from '../vms/disk-files.ts';
import { makeImages } from '../vms/images.ts';
import { removeNvramOf } from '../vms/nvram.ts';
import { putEngineSeed } from '../vms/seed.ts';
import { systemVolumes } from '../vms/volume-path.ts';

/** What the host's system carries, see image/host and appliance/. */
const engineImage = '/usr/lib/trefoil/engine/engine.raw.zst';
const guestImage = '/usr/lib/trefoil/images/trefoil-guest.qcow2';
/** Debian's libvirt-qemu, the same on every host: the image sets it, Gluster volumes are owned by it. */
export const qemuUser = { uid: 64055, gid: 64055 };

export type FilesEnv = {
  stateDirectory: string;
  run: Run;
  clock: Clock;
  tasks: Tasks;
  log: Log;
  usedBy(path: string): string | undefined;
};

export type Files = {
  handlers: Pick<NodeHandlers, 'getImages' | 'putDiskFile' | 'deleteDiskFile' | 'putEngineSeed'>;
  streams: Pick<StreamHandlers, 'uploadImage'>;
  accelerator(): Promise<Accelerator>;
};

const canAccess = (path: string, mode: number) =>
  access(path, mode).then(
    () => true,
    () => false,
  );

/** Disks, images and seeds on volumes, and what guests run with: the parts of `vms` that need no libvirt. */
export function wireFiles(env: FilesEnv): Files {
  const { run, clock, tasks, log } = env;
  const disks = makeDiskFiles({ ...systemVolumes, run, clock, tasks, engineImage, usedBy: env.usedBy });
  const images = makeImages({
    ...systemVolumes,
    run,
    log,
    qemuUser,
    volumes: async () => {
      const names = await readdir(systemVolumes.volumesDirectory).catch(() => []);
      const mounted = await Promise.all(names.map((name) => systemVolumes.isMounted(name)));
      return names.filter((_, index) => mounted[index] === true).sort();
    },
  });
  return {
    handlers: {
      getImages: () => images.list(),
      putDiskFile: ({ body }) => disks.put(body),
      deleteDiskFile: async ({ body }) => {
        await disks.remove(body);
        await removeNvramOf({ volumes: systemVolumes.volumesDirectory }, body);
        return undefined;
      },
      putEngineSeed: async ({ body }) => {
        await putEngineSeed(systemVolumes, body);
        return undefined;
      },
    },
    streams: { uploadImage: images.upload },
    accelerator: systemAccelerator(env),
  };
}

/** KVM or emulation, as found out on this machine; one answer for all agents of a boot. */
export const systemAccelerator = ({ log, stateDirectory }: Pick<FilesEnv, 'log' | 'stateDirectory'>) =>
  makeAccelerator({
    log,
    cachePath: join(stateDirectory, 'kvm.json'),
    bootId: async () => (await readFile('/proc/sys/kernel/random/boot_id', 'utf8')).trim(),
    hasDevice: () => canAccess('/dev/kvm', constants.R_OK | constants.W_OK),
    tryBoot: async () => (await canAccess(guestImage, constants.R_OK)) && bootsWithKvm(guestImage),
  });
