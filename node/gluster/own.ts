import type { Clock } from '../clock/clock.ts';
import type { Run } from '../command/run.ts';
import type { VolumeInfo } from './parse.ts';

/**
 * What this host sees of its own Gluster processes without asking glusterd, whose answer would cost the whole cluster
 * its lock: the pid files that glusterd writes, and the state dump that a process writes about itself.
 */
export type OwnEnv = {
  run: Run;
  clock: Clock;
  /** undefined when there is no such file */
  readText(path: string): Promise<string | undefined>;
  list(folder: string): Promise<string[]>;
  remove(path: string): Promise<void>;
  ownAddresses(): ReadonlySet<string>;
};

export type OwnBrick = { address: string; path: string; alive: boolean; waiting: number };

const runFolder = '/var/run/gluster';

/** `10.77.1.11:/bricks/b/data` -> `.../vols/data/10.77.1.11-bricks-b-data.pid` */
export const brickPidFile = (volume: string, { address, path }: { address: string; path: string }): string =>
  `${runFolder}/vols/${volume}/${address}${path.replaceAll('/', '-')}.pid`;
export const selfHealPidFile = (volume: string): string => `${runFolder}/shd/${volume}/${volume}-shd.pid`;

/** The process that a pid file names, unless it has ended and its number belongs to another one. */
async function pidIn(env: OwnEnv, file: string, isIt: (commandLine: string) => boolean) {
  const pid = Number((await env.readText(file))?.trim());
  if (!Number.isInteger(pid) || pid < 2) return undefined;
  const commandLine = (await env.readText(`/proc/${pid}/cmdline`)) ?? '';
  return isIt(commandLine.replaceAll('\0', ' ')) ? pid : undefined;
}

const selfHealPid = (env: OwnEnv, volume: string) =>
  pidIn(env, selfHealPidFile(volume), (line) => line.includes('--process-name glustershd'));

/** The bricks of a volume that are on this host. */
export async function ownBricks(env: OwnEnv, info: VolumeInfo): Promise<OwnBrick[]> {
  const own = env.ownAddresses();
  return Promise.all(
    info.bricks
      .filter(({ address }) => own.has(address))
      .map(async ({ address, path }) => {
        const file = brickPidFile(info.name, { address, path });
        const pid = await pidIn(env, file, (line) => line.includes(`--brick-name ${path}`));
        return { address, path, alive: pid !== undefined, waiting: await waitingOn(env, path) };
      }),
  );
}

/** How many files this brick knows of that another one lacks; without asking anybody. */
async function waitingOn(env: OwnEnv, path: string): Promise<number> {
  const names = await env.list(`${path}/.glusterfs/indices/xattrop`);
  return names.filter((name) => !name.startsWith('xattrop-')).length;
}

export type SelfHealLink = { client: string; connected: boolean };

/**
 * What the self-heal daemon is connected to, as its state dump says:
 *   [xlator.protocol.client.data-client-2.priv]
 *   connected=1
 * None when there is no daemon; undefined when it does not say. One process serves all volumes of a host.
 */
export async function selfHealLinks(env: OwnEnv, info: VolumeInfo): Promise<SelfHealLink[] | undefined> {
  const pid = await selfHealPid(env, info.name);
  if (pid === undefined) return [];
  const isDump = (name: string) => name.startsWith(`glusterdump.${pid}.dump.`);
  const dumps = async () => (await env.list(runFolder)).filter(isDump).map((name) => `${runFolder}/${name}`);
  for (const old of await dumps()) await env.remove(old);
  await env.run(['kill', '-USR1', String(pid)], { timeoutMs: 5_000 });
  for (let tries = 0; tries < 30; tries += 1) {
    await env.clock.sleep(100);
    const [file] = await dumps();
    const text = file === undefined ? undefined : await env.readText(file);
    if (file === undefined || text === undefined || !text.includes('DUMP-END-TIME')) continue;
    await env.remove(file);
    return readSelfHealLinks(text, info.name);
  }
  return undefined;
}

export function readSelfHealLinks(dump: string, volume: string): SelfHealLink[] {
  const found = dump.matchAll(/^\[xlator\.protocol\.client\.(.+-client-\d+)\.priv\]\nconnected=(\d)$/gm);
  return [...found].flatMap(([, client = '', connected]) =>
    client.replace(/-client-\d+$/, '') === volume ? [{ client, connected: connected === '1' }] : [],
  );
}

/** Ends the self-heal daemon of this host for good: one that still ends would be taken for one that runs. */
export async function endSelfHeal(env: OwnEnv, volume: string): Promise<void> {
  for (const signal of ['-TERM', '-KILL']) {
    const pid = await selfHealPid(env, volume);
    if (pid === undefined) return;
    await env.run(['kill', signal, String(pid)], { timeoutMs: 5_000, okExitCodes: [1] });
    for (let tries = 0; tries < 50; tries += 1) {
      if ((await selfHealPid(env, volume)) === undefined) return;
      await env.clock.sleep(100);
    }
  }
}
