import { readFile, readlink } from 'node:fs/promises';
import { basename } from 'node:path';
import { type Run, unreadable } from '../command/run.ts';
import type { HostDisk } from '../contract/disks.ts';
import type { HostInfo, HostLoad, Membership } from '../contract/host.ts';
import type { HostId } from '../contract/ids.ts';
import type { HostNic } from '../contract/network.ts';
import {
  bootedAtOf,
  busyPercent,
  type CpuTimes,
  cpuOf,
  cpuTimesOf,
  type IpLink,
  ipLinksSchema,
  isNic,
  memoryOf,
  type NicHardware,
  nicsOf,
} from './model.ts';

export type FactsEnv = {
  run: Run;
  now(): Date;
  version: string;
  id: HostId;
  name(): string;
  membership(): Membership;
  /** what other rooms know; each may fail without taking the rest along */
  disks(): Promise<HostDisk[]>;
  accelerator(): Promise<'kvm' | 'tcg'>;
  usableModels(): Promise<string[]>;
};

export type Facts = {
  host(): Promise<HostInfo>;
  load(): Promise<HostLoad>;
  links(): Promise<IpLink[]>;
  nics(): Promise<HostNic[]>;
  machine(): Promise<{ vendor: string; model: string; serial: string }>;
  cpuThreads(): Promise<number>;
  memoryMiB(): Promise<number>;
};

export function makeFacts(env: FactsEnv): Facts {
  let lastTimes: CpuTimes | undefined;

  const links = async (): Promise<IpLink[]> => {
    const { stdout } = await env.run(['ip', '-j', '-d', 'address', 'show'], { timeoutMs: 10_000 });
    try {
      return ipLinksSchema.parse(JSON.parse(stdout));
    } catch (error) {
      throw unreadable('ip', 'the list of links', error);
    }
  };
  const nics = async (): Promise<HostNic[]> => {
    const present = await links();
    const hardware = await Promise.all(
      present.filter(isNic).map(async ({ ifname }) => [ifname, await hardwareOf(ifname)] as const),
    );
    return nicsOf(present, Object.fromEntries(hardware));
  };
  // what does not change while the machine runs is read once
  const machine = once(async () => ({
    vendor: await dmi('sys_vendor'),
    model: await dmi('product_name'),
    serial: await dmi('product_serial'),
  }));
  const cpu = once(async () => cpuOf(await readFile('/proc/cpuinfo', 'utf8')));
  const memoryMiB = async () => memoryOf(await readFile('/proc/meminfo', 'utf8'), 'MemTotal');

  return {
    links,
    nics,
    machine,
    cpuThreads: async () => (await cpu()).threads,
    memoryMiB,
    host: async () => {
      const [stat, pid1] = await Promise.all([
        readFile('/proc/stat', 'utf8'),
        readFile('/proc/1/stat', 'utf8'),
      ]);
      const [cpuFacts, accelerator, usableModels] = await Promise.all([
        cpu(),
        env.accelerator(),
        env.usableModels(),
      ]);
      return {
        id: env.id,
        name: env.name(),
        version: env.version,
        membership: env.membership(),
        machine: await machine(),
        cpu: { ...cpuFacts, accelerator, usableModels },
        memoryMiB: await memoryMiB(),
        bootedAt: bootedAtOf(stat, pid1).toISOString(),
        now: env.now().toISOString(),
        nics: await nics(),
        disks: await env.disks(),
      };
    },
    load: async () => {
      const [stat, meminfo, loadavg] = await Promise.all([
        readFile('/proc/stat', 'utf8'),
        readFile('/proc/meminfo', 'utf8'),
        readFile('/proc/loadavg', 'utf8'),
      ]);
      const times = cpuTimesOf(stat);
      const before = lastTimes ?? times;
      lastTimes = times;
      return {
        at: env.now().toISOString(),
        cpuBusyPercent: busyPercent(before, times),
        memoryTotalMiB: memoryOf(meminfo, 'MemTotal'),
        memoryAvailableMiB: memoryOf(meminfo, 'MemAvailable'),
        load1: Number(loadavg.split(' ')[0] ?? 0),
      };
    },
  };
}

function once<T>(read: () => Promise<T>): () => Promise<T> {
  let known: Promise<T> | undefined;
  return () => {
    known ??= read().catch((error: unknown) => {
      known = undefined;
      throw error;
    });
    return known;
  };
}

async function dmi(name: string): Promise<string> {
  return await readFile(`/sys/class/dmi/id/${name}`, 'utf8').then(
    (text) => text.trim(),
    () => '',
  );
}

async function hardwareOf(nic: string): Promise<NicHardware> {
  const [speed, driver] = await Promise.all([
    readFile(`/sys/class/net/${nic}/speed`, 'utf8').then(
      (text) => Number(text.trim()),
      () => -1,
    ),
    readlink(`/sys/class/net/${nic}/device/driver`).then(
      (path) => basename(path),
      () => undefined,
    ),
  ]);
  return { ...(speed > 0 ? { speedMbps: speed } : {}), ...(driver === undefined ? {} : { driver }) };
}
