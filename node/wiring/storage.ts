import { readdir, readFile, rm } from 'node:fs/promises';
import { networkInterfaces } from 'node:os';
import { join } from 'node:path';
import type { NodeHandlers } from '../api/handlers.ts';
import { mountPutSchema, type VolumeStatus } from '../contract/storage.ts';
import { accepted } from '../files/accepted.ts';
import { makeCli } from '../gluster/cli.ts';
import { makeKeptMounts } from '../gluster/kept-mounts.ts';
import { ensureMount, type MountsEnv, removeMount } from '../gluster/mounts.ts';
import { deleteVolume, ensurePeers, ensureVolume, listPeers } from '../gluster/volumes.ts';
import { makeWatch } from '../gluster/watch.ts';
import type { Units } from '../systemd/units.ts';
import { isMountPoint, volumesDirectory } from '../vms/volume-path.ts';
import { type Base, every } from './base.ts';
import { untilDone } from './retry.ts';

const glusterd = 'glusterd.service';
const watchMs = 10_000;
const sigterm = 15;

export type Storage = {
  handlers: Pick<
    NodeHandlers,
    'getPeers' | 'putPeers' | 'getVolumes' | 'putVolume' | 'deleteVolume' | 'putMount' | 'deleteMount'
  >;
  latest(): VolumeStatus[];
  /** volumes that are on this host alone while other hosts are its peers */
  onlyCopies(): Promise<string[]>;
  /** brings about what was told before this start, and watches */
  start(): void;
  leave: readonly { what: string; undo(): Promise<void> }[];
};

/**
 * Peers, volumes and mounts: the room `gluster` behind the contract's routes. glusterd is enabled by the first request
 * that needs it: a host without a cluster opens no port but the agent's.
 */
export function wireStorage(
  base: Base,
  env: { units: Units; isDirectoryBrick(path: string): Promise<boolean> },
): Storage {
  const { run, clock, log, hub, now, notice, options } = base;
  const cli = makeCli({ run, clock, log });
  const volumes = { cli, clock, log };
  const mounts: MountsEnv = {
    run,
    log,
    isMounted: async (path) => isMountPoint(await readFile('/proc/self/mountinfo', 'utf8'), path),
  };
  const mountPath = (volume: string) => join(volumesDirectory, volume);
  const mountsFolder = join(options.stateDirectory, 'accepted', 'mounts');
  const mountOf = (volume: string) =>
    accepted(join(mountsFolder, `${volume}.json`), mountPutSchema, `the mount of ${volume}`);
  const watch = makeWatch({
    ...volumes,
    mounts,
    own: {
      run,
      clock,
      readText: (path) => readFile(path, 'utf8').catch(() => undefined),
      list: (folder) => readdir(folder).catch(() => []),
      remove: (path) => rm(path, { force: true }),
      ownAddresses,
    },
    mountPath,
    now,
    notice,
    seen: (status) => hub.publish({ kind: 'volume', status }),
  });
  let running: Promise<void> | undefined;

  const ensureGlusterd = async () => {
    await env.units.enable([glusterd]);
    await env.units.start(glusterd);
  };
  const isUsed = async () => (await env.units.status(glusterd)).activeState === 'active';
  const acceptedMounts = async (): Promise<string[]> =>
    (await readdir(mountsFolder).catch(() => []))
      .filter((name) => name.endsWith('.json') && !name.startsWith('.'))
      .map((name) => name.slice(0, -'.json'.length));
  const keptMounts = makeKeptMounts({
    told: mountOf,
    ensure: (volume, servers) => ensureMount(mounts, volume, mountPath(volume), servers),
    remove: (volume) => removeMount(mounts, mountPath(volume)),
  });
  const mountMissing = async () => {
    const here = new Set(watch.latest().flatMap(({ name, mounted }) => (mounted ? [name] : [])));
    for (const volume of await acceptedMounts())
      if (!here.has(volume))
        await keptMounts
          .again(volume)
          .catch((error) => log.error('a volume is not mounted', error, { volume }));
  };
  const tick = async () => {
    if (!(await isUsed())) return;
    await mountMissing();
    await watch.tick();
    await mountMissing();
  };

  return {
    latest: watch.latest,
    onlyCopies: async () => {
      if (!(await isUsed())) return [];
      // A storage service that does not answer knows no volumes; formation must be able to take back what it began.
      if (watch.latest().length === 0)
        await watch.tick().catch((error) => log.error('volumes not known', error));
      const own = ownAddresses();
      const isHere = ({ bricks }: VolumeStatus) => bricks.every(({ address }) => own.has(address));
      const here = watch.latest().filter((volume) => volume.layout === 'single' && isHere(volume));
      if (here.length === 0 || (await listPeers(volumes)).length === 0) return [];
      return here.map(({ name }) => name);
    },
    handlers: {
      getPeers: async () => ((await isUsed()) ? listPeers(volumes) : []),
      putPeers: async ({ body }) => {
        await ensureGlusterd();
        return ensurePeers(volumes, body.addresses, ownAddresses());
      },
      getVolumes: async () => {
        if (!(await isUsed())) return [];
        if (watch.latest().length === 0) await watch.tick();
        return watch.latest();
      },
      putVolume: async ({ params: { name }, body }) => {
        await ensureGlusterd();
        const own = ownAddresses();
        const mine = body.bricks.filter(({ address }) => own.has(address));
        const directories = await Promise.all(mine.map(({ path }) => env.isDirectoryBrick(path)));
        await ensureVolume(volumes, name, body, { forceRoot: directories.includes(true) });
        return watch.look(name);
      },
      deleteVolume: async ({ params: { name } }) => {
        if (await isUsed()) await deleteVolume(volumes, name);
        watch.forget(name);
        return undefined;
      },
      putMount: async ({ params: { name }, body }) => {
        await ensureGlusterd();
        await keptMounts.put(name, body);
        return watch.look(name);
      },
      deleteMount: async ({ params: { name } }) => {
        await keptMounts.remove(name);
        return undefined;
      },
    },
    start: () => {
      void untilDone(base.retry, 'volumes', tick);
      every(base, watchMs, 'volumes', () => {
        running ??= tick().finally(() => {
          running = undefined;
        });
        return running;
      });
    },
    leave: [
      {
        what: 'volumes',
        undo: async () => {
          for (const volume of await acceptedMounts()) await keptMounts.remove(volume);
          await env.units.disable([glusterd]);
          // Bricks outlive glusterd by design (KillMode=process); now they must let go of their disks.
          if (await isUsed()) await env.units.killAll(glusterd, sigterm);
          await env.units.stop(glusterd);
          // What glusterd knows of the old pool would keep this host from joining another one. Bricks are not touched.
          for (const name of ['vols', 'peers', 'glusterd.info'])
            await rm(join('/var/lib/glusterd', name), { recursive: true, force: true });
          for (const status of watch.latest()) watch.forget(status.name);
        },
      },
    ],
  };
}

function ownAddresses(): ReadonlySet<string> {
  return new Set(
    Object.values(networkInterfaces())
      .flatMap((addresses) => addresses ?? [])
      .map(({ address }) => address),
  );
}
