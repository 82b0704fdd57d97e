import { readdir, rm } from 'node:fs/promises';
import { cgroupExists, killCgroup, removeCgroup } from './cgroup.ts';
import { checkClaim, dropClaim } from './claim.ts';
import { detachDisks, loopDevices } from './disk.ts';
import { listMounts, unmountBelow } from './mount.ts';
import { deleteNetns } from './network.ts';
import type { LabPlan } from './plan.ts';
import { isAlive, killRecorded, readRecord, recordedNames } from './process.ts';

/** Ends all that a lab, running or crashed at any point, has on this machine. Keeps its files. */
export async function sweep(plan: LabPlan): Promise<void> {
  await checkClaim(plan);
  await killCgroup(plan.prefix);
  for (const name of await recordedNames(plan.runFolder)) await killRecorded(plan.runFolder, name);
  await unmountBelow(plan.folder);
  for (const name of await netnsNames(plan.prefix)) await deleteNetns(name);
  await detachDisks(plan.folder);
  await removeCgroup(plan.prefix);
  await removeTraces(plan.prefix);
  await rm(plan.runFolder, { recursive: true, force: true });
  await dropClaim(plan);
}

const isOurs = (name: string, prefix: string): boolean => new RegExp(`^${prefix}-(net|h\\d+)$`).test(name);

async function netnsNames(prefix: string): Promise<string[]> {
  const names = await readdir('/run/netns').catch(() => []);
  return names.filter((name) => isOurs(name, prefix));
}

/** systemd-nspawn leaves an empty folder per machine when it is killed. */
async function removeTraces(prefix: string): Promise<void> {
  const folder = '/run/systemd/nspawn/propagate';
  for (const name of await readdir(folder).catch(() => []))
    if (isOurs(name, prefix)) await rm(`${folder}/${name}`, { recursive: true, force: true });
}

/** Removes the lab's files too. A mount that is still there would lead into a disk: then it refuses. */
export async function removeFiles(plan: LabPlan): Promise<void> {
  const mounts = await listMounts(plan.folder);
  if (mounts.length > 0) throw new Error(`still mounted, so nothing is removed: ${mounts.join(', ')}`);
  await rm(plan.folder, { recursive: true, force: true });
}

/** What of the lab is on this machine now, in words; nothing after a stop. */
export async function remains(plan: LabPlan): Promise<string[]> {
  const found: string[] = [];
  if (await cgroupExists(plan.prefix)) found.push(`control group ${plan.prefix}`);
  for (const path of await listMounts(plan.folder)) found.push(`mount ${path}`);
  for (const name of await netnsNames(plan.prefix)) found.push(`network namespace ${name}`);
  for (const device of await loopDevices())
    if (device.file.startsWith(`${plan.folder}/`)) found.push(`loop device ${device.name}`);
  for (const name of await recordedNames(plan.runFolder)) {
    const record = await readRecord(plan.runFolder, name);
    if (record !== undefined && (await isAlive(record))) found.push(`process ${record.pid} (${name})`);
  }
  return found;
}
