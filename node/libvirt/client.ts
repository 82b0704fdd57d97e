import type { Duplex } from 'node:stream';
import { createFlag, type DomainState, domainStateOf, jobTypes, statsFlag } from './constants.ts';
import type { OpenOptions } from './handshake.ts';
import type { DomainRef } from './procedures/shapes.ts';
import { procedures } from './procedures/table.ts';
import { openStream, readStream } from './streams.ts';
import type { Caller, CallOptions } from './transport.ts';
import { ParamReader, type TypedParams } from './typed-params.ts';

export type DomainStats = { domain: DomainRef; values: ParamReader };
export type DomainJob = { type: (typeof jobTypes)[number]; values: ParamReader };
export type HostNumbers = {
  model: string;
  memoryKiB: number;
  cpus: number;
  sockets: number;
  cores: number;
  threads: number;
};

/** What a host agent asks of libvirt, in its words. Every function may throw an AppError `libvirt.*`. */
export function libvirtClient(caller: Caller) {
  const onDomain = (domain: DomainRef, flags = 0) => ({ domain, flags });
  return {
    async hostNumbers(options?: CallOptions): Promise<HostNumbers> {
      const info = await caller.call(procedures.nodeGetInfo, {}, options);
      return { ...info, memoryKiB: Number(info.memoryKiB) };
    },
    /** 11.3.0 from 11003000 */
    async version(options?: CallOptions): Promise<string> {
      const { version } = await caller.call(procedures.getLibVersion, {}, options);
      const number = Number(version);
      return `${Math.floor(number / 1e6)}.${Math.floor(number / 1e3) % 1e3}.${number % 1e3}`;
    },
    async capabilities(options?: CallOptions): Promise<string> {
      return (await caller.call(procedures.getCapabilities, {}, options)).xml;
    },
    async domainCapabilities(
      of: { arch?: string; machine?: string; virtType?: 'kvm' | 'qemu' } = {},
      options?: CallOptions,
    ): Promise<string> {
      const args = {
        emulator: undefined,
        arch: of.arch,
        machine: of.machine,
        virtType: of.virtType,
        flags: 0,
      };
      return (await caller.call(procedures.getDomainCapabilities, args, options)).xml;
    },

    async listDomains(options?: CallOptions): Promise<readonly DomainRef[]> {
      const args = { needResults: true, flags: 0 };
      return (await caller.call(procedures.listAllDomains, args, options)).domains;
    },
    async lookup(uuid: string, options?: CallOptions): Promise<DomainRef> {
      return (await caller.call(procedures.lookupByUuid, { uuid }, options)).domain;
    },
    async state(domain: DomainRef, options?: CallOptions): Promise<{ state: DomainState; reason: string }> {
      const { state, reason } = await caller.call(procedures.getState, onDomain(domain), options);
      return domainStateOf(state, reason);
    },
    /** Transient: it is gone when it stops. */
    async createXml(xml: string, how: { paused?: boolean } = {}, options?: CallOptions): Promise<DomainRef> {
      const flags = how.paused ? createFlag.paused : 0;
      return (await caller.call(procedures.createXml, { xml, flags }, options)).domain;
    },
    async defineXml(xml: string, options?: CallOptions): Promise<DomainRef> {
      return (await caller.call(procedures.defineXml, { xml, flags: 0 }, options)).domain;
    },
    async undefine(domain: DomainRef, options?: CallOptions): Promise<void> {
      await caller.call(procedures.undefine, onDomain(domain), options);
    },
    async start(domain: DomainRef, options?: CallOptions): Promise<DomainRef> {
      return (await caller.call(procedures.create, onDomain(domain), options)).domain;
    },
    async shutdown(domain: DomainRef, flags: number, options?: CallOptions): Promise<void> {
      await caller.call(procedures.shutdown, onDomain(domain, flags), options);
    },
    async reboot(domain: DomainRef, flags: number, options?: CallOptions): Promise<void> {
      await caller.call(procedures.reboot, onDomain(domain, flags), options);
    },
    async reset(domain: DomainRef, options?: CallOptions): Promise<void> {
      await caller.call(procedures.reset, onDomain(domain), options);
    },
    async destroy(domain: DomainRef, flags = 0, options?: CallOptions): Promise<void> {
      await caller.call(procedures.destroy, onDomain(domain, flags), options);
    },
    async suspend(domain: DomainRef, options?: CallOptions): Promise<void> {
      await caller.call(procedures.suspend, { domain }, options);
    },
    async resume(domain: DomainRef, options?: CallOptions): Promise<void> {
      await caller.call(procedures.resume, { domain }, options);
    },
    async xml(domain: DomainRef, flags = 0, options?: CallOptions): Promise<string> {
      return (await caller.call(procedures.getXml, onDomain(domain, flags), options)).xml;
    },
    /** The element of this XML namespace in the domain's metadata. */
    async metadata(domain: DomainRef, namespace: string, options?: CallOptions): Promise<string> {
      // 2: an element, not the title or the description
      const args = { domain, type: 2, uri: namespace, flags: 0 };
      return (await caller.call(procedures.getMetadata, args, options)).metadata;
    },

    /** The statistics of all running domains in one call; one that is busy does not hold up the others. */
    async allStats(groups: number, options?: CallOptions): Promise<DomainStats[]> {
      const args = { domains: [], stats: groups, flags: statsFlag.active | statsFlag.noWait };
      const { records } = await caller.call(procedures.getAllStats, args, options);
      return records.map(({ domain, params }) => ({ domain, values: new ParamReader(params) }));
    },

    async attachDevice(domain: DomainRef, xml: string, flags: number, options?: CallOptions): Promise<void> {
      await caller.call(procedures.attachDevice, { domain, xml, flags }, options);
    },
    async detachDevice(domain: DomainRef, xml: string, flags: number, options?: CallOptions): Promise<void> {
      await caller.call(procedures.detachDevice, { domain, xml, flags }, options);
    },
    async updateDevice(domain: DomainRef, xml: string, flags: number, options?: CallOptions): Promise<void> {
      await caller.call(procedures.updateDevice, { domain, xml, flags }, options);
    },
    async blockResize(domain: DomainRef, disk: string, bytes: bigint, options?: CallOptions): Promise<void> {
      // 1: the size is in bytes, not in KiB
      await caller.call(procedures.blockResize, { domain, disk, size: bytes, flags: 1 }, options);
    },

    /** One command of QEMU's guest agent as JSON text, e.g. {"execute":"guest-ping"}. */
    async agentCommand(
      domain: DomainRef,
      command: string,
      seconds: number,
      options?: CallOptions,
    ): Promise<string | undefined> {
      const args = { domain, command, seconds, flags: 0 };
      return (await caller.call(procedures.agentCommand, args, options)).result;
    },

    /** The whole migration in one call; `destination` is the libvirt URI of the target as the source's daemon sees it. */
    async migratePeerToPeer(
      domain: DomainRef,
      destination: string,
      params: TypedParams,
      flags: number,
      options?: CallOptions,
    ): Promise<void> {
      const args = { domain, destination, params, cookie: new Uint8Array(0), flags };
      await caller.call(procedures.perform3, args, options);
    },
    async setMaxDowntime(domain: DomainRef, ms: number, options?: CallOptions): Promise<void> {
      const args = { domain, milliseconds: BigInt(Math.round(ms)), flags: 0 };
      await caller.call(procedures.setMaxDowntime, args, options);
    },
    async setMaxSpeed(domain: DomainRef, mibPerSecond: number, options?: CallOptions): Promise<void> {
      const args = { domain, mibPerSecond: BigInt(Math.round(mibPerSecond)), flags: 0 };
      await caller.call(procedures.setMaxSpeed, args, options);
    },
    async job(domain: DomainRef, options?: CallOptions): Promise<DomainJob> {
      const { type, params } = await caller.call(procedures.getJobStats, onDomain(domain), options);
      return { type: jobTypes[type] ?? 'none', values: new ParamReader(params) };
    },
    async abortJob(domain: DomainRef, options?: CallOptions): Promise<void> {
      await caller.call(procedures.abortJob, { domain }, options);
    },
  };
}
export type LibvirtClient = ReturnType<typeof libvirtClient>;

/** A domain's serial console, both ways, on a connection of its own. */
export async function openConsole(
  options: OpenOptions,
  domain: DomainRef,
  flags = 0,
  calling?: CallOptions,
): Promise<Duplex> {
  const args = { domain, device: undefined, flags };
  return (await openStream(options, procedures.openConsole, args, calling)).stream;
}

const maxScreenshotBytes = 64 * 1024 * 1024;

/** A picture of a domain's first screen, in the format that QEMU gives (PPM, newer ones PNG). */
export async function takeScreenshot(
  options: OpenOptions,
  domain: DomainRef,
  calling: CallOptions = {},
): Promise<{ mime: string; bytes: Buffer }> {
  const args = { domain, screen: 0, flags: 0 };
  const { value, stream } = await openStream(options, procedures.screenshot, args, calling);
  const bytes = await readStream(stream, maxScreenshotBytes, calling.signal);
  return { mime: value.mime ?? 'application/octet-stream', bytes };
}
