import { existsSync } from 'node:fs';
import { mkdir, readdir, readFile, rmdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { eventually } from '../support/eventually.ts';

/**
 * Each host, and the lab's own services, live in a control group: it can be ended or frozen whole in one write, and
 * whatever a crash left behind is found in it. On a machine with both hierarchies systemd in the container needs its
 * place in the old one (name=systemd) too.
 */
const base = 'trefoil-lab';

export type Hierarchies = { unified: string; systemd: string | undefined };

/** Reads /proc/mounts. */
export function hierarchiesIn(mounts: string): Hierarchies {
  let unified: string | undefined;
  let systemd: string | undefined;
  for (const line of mounts.split('\n')) {
    const [, path, type, options] = line.split(' ');
    if (path === undefined) continue;
    if (type === 'cgroup2') unified ??= path;
    if (type === 'cgroup' && options?.split(',').includes('name=systemd')) systemd ??= path;
  }
  if (unified === undefined) throw new Error('this machine has no unified control group hierarchy mounted');
  return { unified, systemd };
}

const hierarchies = async (): Promise<Hierarchies> => hierarchiesIn(await readFile('/proc/mounts', 'utf8'));

async function pathsOf(name: string): Promise<{ unified: string; all: string[] }> {
  const found = await hierarchies();
  const unified = join(found.unified, base, name);
  return {
    unified,
    all: found.systemd === undefined ? [unified] : [unified, join(found.systemd, base, name)],
  };
}

/** Makes `trefoil-lab/<name>` in each hierarchy; gives the folders. */
export async function makeCgroup(name: string): Promise<string[]> {
  const { all } = await pathsOf(name);
  for (const path of all) await mkdir(path, { recursive: true });
  return all;
}

export async function cgroupExists(name: string): Promise<boolean> {
  return existsSync((await pathsOf(name)).unified);
}

/** The file in which the kernel says whether the group has processes. */
export const eventsPathOf = async (name: string): Promise<string> =>
  join((await pathsOf(name)).unified, 'cgroup.events');

async function readEvent(name: string, event: 'populated' | 'frozen'): Promise<boolean> {
  const text = await readFile(await eventsPathOf(name), 'utf8').catch(() => '');
  return text.includes(`${event} 1`);
}

export const isPopulated = (name: string): Promise<boolean> => readEvent(name, 'populated');
export const isFrozen = (name: string): Promise<boolean> => readEvent(name, 'frozen');

/** All processes at once, frozen ones too: the kernel does it in one sweep, nothing in between can react. */
export async function killCgroup(name: string, deadlineMs = 10_000): Promise<void> {
  const { unified } = await pathsOf(name);
  if (!existsSync(unified)) return;
  await writeFile(join(unified, 'cgroup.kill'), '1');
  await eventually(`all processes of ${name} to be gone`, async () => !(await isPopulated(name)), {
    deadlineMs,
    everyMs: 10,
  });
}

export async function setFrozen(name: string, frozen: boolean): Promise<void> {
  const { unified } = await pathsOf(name);
  await writeFile(join(unified, 'cgroup.freeze'), frozen ? '1' : '0');
  await eventually(
    `${name} to be ${frozen ? 'frozen' : 'thawed'}`,
    async () => (await isFrozen(name)) === frozen,
    { everyMs: 5 },
  );
}

/** Removes the folders; they must be empty of processes. */
export async function removeCgroup(name: string): Promise<void> {
  const { all } = await pathsOf(name);
  for (const path of all) await removeTree(path);
}

async function removeTree(path: string): Promise<void> {
  const children = await readdir(path, { withFileTypes: true }).catch(() => []);
  for (const child of children) if (child.isDirectory()) await removeTree(join(path, child.name));
  await rmdir(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'ENOENT') throw error;
  });
}
