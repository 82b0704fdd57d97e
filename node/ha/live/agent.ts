import { randomBytes, randomUUID } from 'node:crypto';
import { readdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { systemClock } from '../../clock/clock.ts';
import { run } from '../../command/run.ts';
import { etcdPutSchema } from '../../contract/etcd.ts';
import type { FenceDevice } from '../../contract/fence.ts';
import { enginePriority } from '../../contract/ha.ts';
import { bridgeNameOf } from '../../contract/network.ts';
import { makeEtcdClient } from '../../etcd/client.ts';
import { localClientUrl } from '../../etcd/server-config.ts';
import { makeTransport } from '../../etcd/transport.ts';
import { makeAgents } from '../../fence/agent.ts';
import { makePowerFence } from '../../fence/power.ts';
import { openSealed } from '../../fence/secrets.ts';
import { accepted } from '../../files/accepted.ts';
import { readIfThere, writeFileAtomic } from '../../files/atomic.ts';
import { identityFileSchema, membershipFileSchema } from '../../identity/model.ts';
import { libvirtClient } from '../../libvirt/client.ts';
import { Link } from '../../libvirt/link.ts';
import type { Caller as LibvirtCaller } from '../../libvirt/transport.ts';
import type { Log } from '../../log/log.ts';
import { domainXml } from '../../vms/domain-xml.ts';
import { metadataNamespace, readMetadata } from '../../vms/metadata.ts';
import { hostPaths } from '../../vms/paths.ts';
import { type PrepareEnv, prepareVm } from '../../vms/prepare.ts';
import { systemVolumes } from '../../vms/volume-path.ts';
import { qemuUser, systemAccelerator } from '../../wiring/files.ts';
import { libvirtAt } from '../../wiring/machine.ts';
import { summaryOf } from '../summary.ts';
import { timings } from '../timings.ts';
import { makeBars } from './bars.ts';
import { askEngineApi, askEngineChannel, watchEngine } from './engine-signs.ts';
import { makeGuests } from './guests.ts';
import { findLeftovers } from './leftovers.ts';
import { startLoop } from './loop.ts';
import { freeMemory } from './memory.ts';
import { makeNotes } from './notes.ts';
import { makePower } from './power.ts';
import { openProber } from './prober.ts';
import { serveStatus } from './status.ts';
import { openStore } from './store.ts';
import { openWatchdog, systemWatchdog } from './watchdog.ts';

export type HaOptions = { stateDirectory: string; runDirectory: string; log: Log };

export const probePort = 7442;
const lookMs = 2_000;
const askEngineMs = 1_000;
const notesInStatus = 20;

/** What this host must know before it can take part: who it is, and where the store is. Undefined: it has not joined. */
export async function readPart({ stateDirectory }: Pick<HaOptions, 'stateDirectory'>) {
  const text = await readIfThere(join(stateDirectory, 'identity', 'membership.json'));
  const identityText = await readIfThere(join(stateDirectory, 'identity', 'identity.json'));
  const etcd = await accepted(join(stateDirectory, 'accepted', 'etcd.json'), etcdPutSchema, 'etcd').get();
  if (text === undefined || identityText === undefined || etcd === undefined) return undefined;
  const member = membershipFileSchema.parse(JSON.parse(text));
  const identity = identityFileSchema.parse(JSON.parse(identityText));
  const others = etcd.value.members.filter(({ address }) => address !== etcd.value.address);
  return {
    self: identity.id,
    joinedAt: member.joinedAt,
    tls: { ca: member.caCertificate, cert: member.certificate, key: identity.key },
    endpoints: [localClientUrl, ...others.map(({ address }) => `https://${address}:2379`)],
  };
}
export type Part = NonNullable<Awaited<ReturnType<typeof readPart>>>;

export const barsOf = ({ stateDirectory, log }: Pick<HaOptions, 'stateDirectory' | 'log'>) =>
  makeBars({ path: join(stateDirectory, 'ha', 'bars.json'), run, log });

/** Rules against its hosts, and the key for its probes. */
export async function forgetCluster(options: HaOptions): Promise<void> {
  const bars = barsOf(options);
  await bars.restore();
  for (const host of [...bars.inForce().keys()]) await bars.unbar(host);
  await rm(join(options.stateDirectory, 'ha'), { recursive: true, force: true });
}

/** The same for a host that belongs to no cluster; nothing happens while it belongs to one. */
export async function forgetWhatIsLeft(options: HaOptions): Promise<void> {
  const membership = await readIfThere(join(options.stateDirectory, 'identity', 'membership.json'));
  if (membership !== undefined) return;
  const left = await readdir(join(options.stateDirectory, 'ha')).catch(() => []);
  if (left.length > 0) await forgetCluster(options);
}

/** Puts the parts of the agent together; decides nothing itself. */
export async function openHaAgent(options: HaOptions, part: Part): Promise<{ close(): Promise<void> }> {
  const { log, stateDirectory, runDirectory } = options;
  const clock = systemClock;
  const now = () => new Date();
  const { self } = part;
  const bars = barsOf(options);
  // A file that is damaged must not keep the agent down: the store says again whom to refuse.
  await bars.restore().catch((error) => log.error('rules against lost hosts are not in force again', error));

  const store = openStore({
    client: makeEtcdClient({ transport: makeTransport(part.tls), clock }, { endpoints: part.endpoints }),
    clock,
    log,
    leaseMs: timings.leaseMs,
    randomKey: () => randomBytes(32).toString('base64'),
  });
  const key = await keptProbeKey(options, store.picture.probeKey);
  const contact = () => store.contactMs();
  const prober = openProber({
    self,
    clock,
    log,
    port: probePort,
    probeMs: timings.probeMs,
    peers: store.picture.peers,
    key,
    hasContact: () => {
      const contactMs = contact();
      return contactMs !== undefined && clock.now() - contactMs < timings.stopStartingMs;
    },
    onRound: () => loop?.wake(),
  });

  const paths = hostPaths(stateDirectory, runDirectory, '/var/log/trefoil');
  const prepareEnv: PrepareEnv = { ...systemVolumes, paths, qemuUser };
  let link: Link | undefined;
  const caller: LibvirtCaller = {
    call: (procedure, args, how) =>
      link === undefined ? Promise.reject(new Error('not started')) : link.call(procedure, args, how),
  };
  const guests = makeGuests({
    libvirt: libvirtClient(caller),
    metadataOf: async (client, ref) =>
      readMetadata(await client.metadata(ref, metadataNamespace).catch(() => '')),
    leftovers: findLeftovers,
    kill: (pid) => process.kill(pid, 'SIGKILL'),
    domainXml: (metadata) => domainXml(metadata, { paths, bridgeOf: bridgeNameOf }),
    prepare: (spec) => prepareVm(prepareEnv, spec, 'starts'),
    accelerator: systemAccelerator({ stateDirectory, log }),
    clock,
    now,
    changed: () => loop?.wake(),
    log,
  });
  link = new Link(
    { log },
    { ...libvirtAt, events: ['lifecycle'] },
    {
      resync: (opened) => guests.resync(libvirtClient(opened)),
      event: guests.event,
      down: guests.down,
    },
  );
  const openSecrets = (device: FenceDevice) =>
    openSealed({ host: self, privateKeyPem: part.tls.key }, device.id, device.secrets);
  const watchdog = await openWatchdog({ run, log, files: systemWatchdog }, timings.watchdogMs);
  const notes = makeNotes({ self, store, clock, now, log });
  const memory = freeMemory(() => readFile('/proc/meminfo', 'utf8'));
  const isWitness = () => store.picture.peers().find(({ id }) => id === self)?.role === 'arbiter';
  const engine = watchEngine({
    engine: () => {
      const records = store.picture.view()?.vms.values() ?? [];
      const vm = [...records].find(({ priority }) => priority === enginePriority)?.id;
      const ref = vm === undefined ? undefined : guests.refOf(vm);
      return vm === undefined || ref === undefined ? undefined : { vm, ref };
    },
    askApi: () => askEngineApi(store.picture.engineAddress(), part.tls.ca),
    askChannel: (ref) => askEngineChannel(libvirtClient(caller), ref, clock),
    clock,
  });
  const loop: ReturnType<typeof startLoop> | undefined = startLoop({
    self,
    instance: randomUUID(),
    times: timings,
    clock,
    log,
    store,
    heard: prober.heard,
    guests,
    bars,
    watchdog,
    notes,
    freeMemoryMiB: () => (isWitness() ? 0 : memory.freeMiB()),
    maintenance: () => store.picture.view()?.maintenance.has(self) ?? false,
    engine: engine.signs,
    power: makePower({
      devicesOf: store.picture.fenceDevicesOf,
      openSecrets,
      fence: makePowerFence({ run, clock, log, openSecrets }),
      agents: makeAgents({ run }),
      log,
    }),
  });
  const looking = setInterval(() => {
    void guests.tick().catch((error) => log.error('VMs were not looked at', error));
    void memory.look().catch((error) => log.error('memory was not looked at', error));
  }, lookMs);
  const askingEngine = setInterval(engine.tick, askEngineMs);
  const status = await serveStatus(`${runDirectory}/ha.sock`, () => {
    const seen = loop.observe();
    return {
      summary: summaryOf(seen, {
        name: store.picture.peers().find(({ id }) => id === self)?.name ?? self,
        contact: loop.contact(),
        notes: store.picture.lastNotes(notesInStatus),
        unreadable: store.picture.unreadable(),
      }),
      self,
      contact: loop.contact() ?? null,
      contactAgeMs: seen.contactMs === undefined ? null : Math.round(seen.nowMs - seen.contactMs),
      observation: seen,
      networks: prober.networks().map(({ host, address, heardMs }) => ({
        host,
        address,
        heardAgoMs: heardMs === undefined ? null : Math.round(clock.now() - heardMs),
      })),
      unreadable: Object.fromEntries(store.picture.unreadable()),
    };
  });
  log.info('HA agent is ready', { host: self, watchdog: watchdog !== undefined });

  return {
    close: async () => {
      clearInterval(looking);
      clearInterval(askingEngine);
      await loop.stop();
      notes.close();
      prober.close();
      await Promise.all([status.close(), link.close()]);
      // VMs go on without this agent; then the machine must be reset if none comes back.
      const isIdle = guests.vms()?.length === 0;
      if (isIdle) await watchdog?.disarm();
      await store.close({ letGo: isIdle });
    },
  };
}

/** The key for probes, kept on disk too: after a start of this agent peers must hear it also when the store is away. */
async function keptProbeKey(
  { stateDirectory, log }: HaOptions,
  current: () => string | undefined,
): Promise<() => Buffer | undefined> {
  const path = join(stateDirectory, 'ha', 'probe-key');
  let kept = await readIfThere(path);
  return () => {
    const text = current();
    if (text !== undefined && text !== kept) {
      kept = text;
      void writeFileAtomic(path, text).catch((error) => log.error('the key for probes is not kept', error));
    }
    return kept === undefined ? undefined : Buffer.from(kept, 'base64');
  };
}
