import { z } from 'zod';
import type { HostNic } from '../contract/network.ts';

/** One link of `ip -j -d address show`; only what we use. */
export const ipLinkSchema = z.object({
  ifname: z.string(),
  link_type: z.string(),
  address: z.string().optional(),
  operstate: z.string().optional(),
  flags: z.array(z.string()).default([]),
  mtu: z.number().int(),
  master: z.string().optional(),
  linkinfo: z.object({ info_kind: z.string().optional() }).optional(),
  addr_info: z
    .array(
      z.object({
        family: z.string(),
        local: z.string().optional(),
        prefixlen: z.number().int(),
        scope: z.string().optional(),
      }),
    )
    .default([]),
});
export const ipLinksSchema = z.array(ipLinkSchema);
export type IpLink = z.infer<typeof ipLinkSchema>;

/** A card, or in the lab one end of a cable (veth); not a bridge, VLAN, tap or the loopback. */
export const isNic = (link: IpLink): boolean => {
  const kind = link.linkinfo?.info_kind;
  return link.link_type === 'ether' && (kind === undefined || kind === 'veth');
};

const addressesOf = (link: IpLink): string[] =>
  link.addr_info.flatMap(({ local, prefixlen }) => (local === undefined ? [] : [`${local}/${prefixlen}`]));

export type NicHardware = { speedMbps?: number; driver?: string };

/** The cards; one that is part of a bridge has the bridge's addresses, since that is how the host is reached on it. */
export function nicsOf(links: readonly IpLink[], hardware: Record<string, NicHardware>): HostNic[] {
  return links.filter(isNic).map((link) => {
    const bridge = links.find(
      (other) => other.ifname === link.master && other.linkinfo?.info_kind === 'bridge',
    );
    const { speedMbps, driver } = hardware[link.ifname] ?? {};
    return {
      name: link.ifname,
      mac: link.address ?? '',
      linkUp: link.flags.includes('LOWER_UP'),
      mtu: link.mtu,
      addresses: [...addressesOf(link), ...(bridge === undefined ? [] : addressesOf(bridge))],
      ...(bridge === undefined ? {} : { bridge: bridge.ifname }),
      ...(speedMbps === undefined ? {} : { speedMbps }),
      ...(driver === undefined ? {} : { driver }),
    };
  });
}

export type CpuFacts = { model: string; vendor: string; threads: number; features: string[] };

export function cpuOf(cpuinfo: string): CpuFacts {
  const value = (key: string) => new RegExp(`^${key}\\s*:\\s*(.*)$`, 'm').exec(cpuinfo)?.[1]?.trim() ?? '';
  return {
    model: value('model name'),
    vendor: value('vendor_id'),
    threads: [...cpuinfo.matchAll(/^processor\s*:/gm)].length,
    features: value('flags')
      .split(' ')
      .filter((flag) => flag !== ''),
  };
}

/** MiB by name, e.g. MemTotal, MemAvailable. */
export function memoryOf(meminfo: string, key: string): number {
  const kib = new RegExp(`^${key}:\\s+(\\d+) kB$`, 'm').exec(meminfo)?.[1];
  return kib === undefined ? 0 : Math.floor(Number(kib) / 1024);
}

export type CpuTimes = { busy: number; total: number };

/** From the first line of /proc/stat: user nice system idle iowait irq softirq steal (guest is inside user). */
export function cpuTimesOf(stat: string): CpuTimes {
  const [user = 0, nice = 0, system = 0, idle = 0, iowait = 0, irq = 0, softirq = 0, steal = 0] = (
    stat.split('\n')[0] ?? ''
  )
    .split(/\s+/)
    .slice(1)
    .map(Number);
  const busy = user + nice + system + irq + softirq + steal;
  return { busy, total: busy + idle + iowait };
}

export function busyPercent(before: CpuTimes, now: CpuTimes): number {
  const total = now.total - before.total;
  if (total <= 0) return 0;
  return Math.round((1000 * Math.max(0, now.busy - before.busy)) / total) / 10;
}

/**
 * When this system began: the start of its first process, which in a container is not the machine's. `pid1` is
 * /proc/1/stat, whose 22nd field counts hundredths of a second since `btime` of /proc/stat; the second field is in
 * parentheses and may hold spaces.
 */
export function bootedAtOf(stat: string, pid1: string): Date {
  const boot = Number(/^btime (\d+)$/m.exec(stat)?.[1] ?? 0);
  const ticks = Number(pid1.slice(pid1.lastIndexOf(')') + 2).split(' ')[19] ?? 0);
  return new Date((boot + Math.floor(ticks / 100)) * 1000);
}

export type InterfaceAddress = { address: string; family: string; internal: boolean; mac: string };

/**
 * Where others may reach this host, from what Node itself knows of the interfaces (no tool is run for it, it is asked for
 * every few seconds): no loopback, no VM's tap (libvirt gives those MACs that begin with fe); link-local IPv6 with its
 * card, as `fe80::1%eno1`.
 */
export function reachableAddresses(
  interfaces: Readonly<Record<string, readonly InterfaceAddress[] | undefined>>,
): string[] {
  return Object.entries(interfaces).flatMap(([name, addresses]) =>
    (addresses ?? [])
      .filter(({ internal, mac }) => !internal && !mac.startsWith('fe:'))
      .map(({ address }) => (address.startsWith('fe80:') ? `${address}%${name}` : address)),
  );
}
