import { statfs } from 'node:fs/promises';
import { networkInterfaces } from 'node:os';
import { hostRoutes } from '../api/routes-host.ts';
import type { FsyncLatency, HostDisk } from '../contract/disks.ts';
import type { Announcement, PreflightRequest } from '../contract/host.ts';
import { askHost } from '../discovery/ask.ts';
import { makeAvahi } from '../discovery/avahi.ts';
import { type Discovery, makeDiscovery } from '../discovery/discovery.ts';
import { type Facts, makeFacts } from '../host/facts.ts';
import { reachableAddresses } from '../host/model.ts';
import { preflight } from '../host/preflight.ts';
import { openChannel } from '../pairing/channel.ts';
import { type Initiator, makeInitiator } from '../pairing/initiator.ts';
import { makeResponder, type Responder } from '../pairing/responder.ts';
import type { Base } from './base.ts';

/** How often disks are counted for the announcement: listing them takes a tool or two. */
const diskCountMs = 60_000;

/** What the rooms of disks and VMs know of this machine. */
export type MachineKnowledge = {
  disks(): Promise<HostDisk[]>;
  fsync(directory: string): Promise<FsyncLatency>;
  accelerator(): Promise<'kvm' | 'tcg'>;
  usableModels(): Promise<string[]>;
};

export type Member = {
  facts: Facts;
  responder: Responder;
  initiator: Initiator;
  discovery: Discovery;
  announcement(): Promise<Announcement>;
  handlers(of: Parameters<typeof memberHandlers>[2]): ReturnType<typeof memberHandlers>;
};

/** Who this host is, for itself, for those who look for it, and for those who pair with it. */
export function wireMember(base: Base, machine: MachineKnowledge): Member {
  const { options, identity, log, run, now } = base;
  const facts = makeFacts({
    run,
    now,
    version: options.version,
    id: identity.id,
    name: base.hostName,
    membership: identity.membership,
    ...machine,
  });
  const measure = (request: PreflightRequest) =>
    preflight(
      {
        run,
        now,
        version: options.version,
        nics: facts.nics,
        memoryMiB: facts.memoryMiB,
        accelerator: machine.accelerator,
        fsync: machine.fsync,
        systemFreeMiB: async () => {
          const { bavail, bsize } = await statfs(options.stateDirectory);
          return Math.floor((bavail * bsize) / 1_048_576);
        },
        log,
      },
      request,
    );
  const responder = makeResponder({
    now: () => performance.now(),
    random: options.random,
    log,
    host: {
      id: identity.id,
      joined: () => identity.membership().state === 'joined',
      csr: identity.csr,
      join: identity.join,
      look: async (question) => (question.ask === 'host' ? facts.host() : measure(question.request)),
    },
  });
  const initiator = makeInitiator({
    random: options.random,
    newId: options.newId,
    after: (ms, then) => {
      const timer = setTimeout(then, ms);
      return { cancel: () => clearTimeout(timer) };
    },
    log,
    tls: identity.tls,
    openChannel,
  });
  let disks: { count: number; until: number } | undefined;
  const diskCount = async (): Promise<number> => {
    if (disks === undefined || performance.now() > disks.until) {
      const count = (await machine.disks().catch(() => [])).length;
      disks = { count, until: performance.now() + diskCountMs };
    }
    return disks.count;
  };
  const announcement = async (): Promise<Announcement> => {
    const { vendor, model } = await facts.machine();
    return {
      id: identity.id,
      name: base.hostName(),
      version: options.version,
      state: identity.membership().state,
      addresses: reachableAddresses(networkInterfaces()),
      port: options.port,
      fingerprint: identity.fingerprint(),
      machine: [vendor, model].filter((part) => part !== '').join(' '),
      cpuThreads: await facts.cpuThreads(),
      memoryMiB: await facts.memoryMiB(),
      diskCount: await diskCount(),
    };
  };
  const discovery = makeDiscovery({
    avahi: makeAvahi(base.bus, log),
    ask: askHost,
    id: identity.id,
    announcement,
    now,
    monotonicMs: () => performance.now(),
    sleep: (ms) => base.clock.sleep(ms),
    log,
  });
  const member = { facts, responder, initiator, discovery, announcement };
  return { ...member, handlers: (of) => memberHandlers(base, { ...member, measure }, of) };
}

function memberHandlers(
  base: Base,
  {
    facts,
    initiator,
    discovery,
    measure,
  }: Pick<Member, 'facts' | 'initiator' | 'discovery'> & {
    measure: Parameters<typeof hostRoutes>[0]['preflight'];
  },
  of: Pick<Parameters<typeof hostRoutes>[0], 'leave' | 'power'>,
) {
  return hostRoutes({
    facts,
    tasks: base.tasks,
    initiator,
    discovered: discovery.discovered,
    preflight: measure,
    ...of,
  });
}
