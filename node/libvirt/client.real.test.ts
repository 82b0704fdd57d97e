import { once } from 'node:events';
import * as assert from 'uvu/assert';
import { eventually } from '../../test/support/eventually.ts';
import { type PrivateLibvirtd, startLibvirtd } from '../../test/support/libvirtd.ts';
import { suite } from '../../test/support/suite.ts';
import { AppError } from '../contract/error.ts';
import { silentLog } from '../log/log.ts';
import { libvirtClient, openConsole, takeScreenshot } from './client.ts';
import { lifecycleOf, modifyFlag, statsGroup } from './constants.ts';
import { domainEventKinds } from './events.ts';
import { openTransport } from './handshake.ts';
import { Link } from './link.ts';
import type { ArgsOf, DomainRef } from './procedures/shapes.ts';
import { type ProcedureName, procedures } from './procedures/table.ts';
import type { Transport } from './transport.ts';

const test = suite('libvirt client against the real daemon', { deadlineMs: 60_000 });

const uuid = '5d5a2f9e-6a5f-4a9f-9c0e-0f5c6a0a1b01';
/** A machine without disk or network: it starts at once, shows its firmware's text, and does nothing. */
const xml = (more = '') => `
<domain type='qemu'>
  <name>client-test</name><uuid>${uuid}</uuid>
  <memory unit='MiB'>64</memory><vcpu>1</vcpu>
  <os><type arch='x86_64' machine='pc'>hvm</type></os>
  <features><acpi/></features>
  <devices>
    <video><model type='vga'/></video>
    <graphics type='vnc' port='-1' autoport='yes' listen='127.0.0.1'/>
    <serial type='pty'/>
    <controller type='scsi' model='virtio-scsi'/>
    ${more}
  </devices>
</domain>`;

let daemon: PrivateLibvirtd;
const optionsFor = (uri: string) => ({ socketPath: daemon.socketPath, uri });
const system = () => optionsFor('qemu:///system');

test.before(async () => {
  daemon = await startLibvirtd();
});
test.after(async () => {
  await daemon.stop();
});

async function open<T>(uri: string, body: (transport: Transport) => Promise<T>): Promise<T> {
  const transport = await openTransport(optionsFor(uri));
  try {
    return await body(transport);
  } finally {
    transport.close();
  }
}

test('knows the host', async () => {
  await open('qemu:///system', async (transport) => {
    const client = libvirtClient(transport);
    const numbers = await client.hostNumbers();
    assert.is(numbers.model, 'x86_64');
    assert.ok(numbers.memoryKiB > 100_000 && numbers.cpus >= 1);
    assert.match(await client.version(), /^\d+\.\d+\.\d+$/);
    assert.match(await client.capabilities(), '<host>');
    assert.match(
      await client.domainCapabilities({ virtType: 'qemu', machine: 'q35' }),
      '<domainCapabilities>',
    );
    assert.equal(await client.listDomains(), []);
  });
});

test('a refusal keeps what the daemon said', async () => {
  await open('qemu:///system', async (transport) => {
    try {
      await libvirtClient(transport).lookup(uuid);
      assert.unreachable();
    } catch (error) {
      assert.instance(error, AppError);
      const failure = error as AppError;
      assert.is(failure.code, 'libvirt.no-domain');
      assert.match(failure.message, /no domain with matching uuid/);
      assert.is(failure.details?.['code'], 42);
      assert.is(failure.details?.['domain'], 10);
    }
  });
});

/** Arguments for every procedure of the table; the domain is the test driver's own. */
const sampleArgs = (domain: DomainRef): { [N in ProcedureName]: ArgsOf<(typeof procedures)[N]> } => {
  const d = { domain, flags: 0 };
  const disk = { ...d, disk: 'vda' };
  const hypervisor = {
    emulator: undefined,
    arch: undefined,
    machine: undefined,
    virtType: undefined,
    flags: 0,
  };
  const snapshot = { snapshot: { name: 's', domain }, flags: 0 };
  const checkpoint = { checkpoint: { name: 'c', domain }, flags: 0 };
  const cookie = new Uint8Array(0);
  const secret = { uuid, usageType: 0, usageId: '' };
  const all = { needResults: true, flags: 0 };
  return {
    open: { uri: 'test:///default', flags: 0 },
    close: {},
    authList: {},
    authPolkit: {},
    supportsFeature: { feature: 14 },
    getVersion: {},
    getLibVersion: {},
    getHostname: {},
    getUri: {},
    getCapabilities: {},
    getDomainCapabilities: hypervisor,
    nodeGetInfo: {},
    nodeGetCpuStats: { cpu: -1, count: 0, flags: 0 },
    nodeGetMemoryStats: { count: 0, cell: -1, flags: 0 },
    nodeGetFreePages: { pageKiB: [4], startCell: 0, cellCount: 1, flags: 0 },
    getCpuModelNames: { arch: 'x86_64', ...all },
    compareHypervisorCpu: { ...hypervisor, xmlCpu: '<cpu/>' },
    baselineHypervisorCpu: { ...hypervisor, xmlCpus: ['<cpu/>'] },
    listAllNodeDevices: all,
    nodeDeviceGetXml: { name: 'computer', flags: 0 },
    nodeDeviceDetach: { name: 'computer', driver: undefined, flags: 0 },
    nodeDeviceReAttach: { name: 'computer' },
    nodeDeviceReset: { name: 'computer' },
    registerDomainEvent: { eventId: 0, domain: undefined },
    deregisterDomainEvent: { callbackId: 77 },
    registerCloseCallback: {},
    unregisterCloseCallback: {},
    listAllDomains: all,
    lookupByUuid: { uuid: domain.uuid },
    lookupByName: { name: domain.name },
    defineXml: { xml: '<domain/>', flags: 0 },
    createXml: { xml: '<domain/>', flags: 0 },
    create: d,
    shutdown: d,
    reboot: d,
    reset: d,
    destroy: d,
    suspend: { domain },
    resume: { domain },
    undefine: d,
    managedSave: d,
    managedSaveRemove: d,
    pmSuspend: { ...d, target: 0, duration: 0n },
    pmWakeup: d,
    getState: d,
    getControlInfo: d,
    getXml: d,
    isPersistent: { domain },
    setMetadata: { ...d, type: 0, metadata: 'words', key: undefined, uri: undefined },
    getMetadata: { ...d, type: 0, uri: undefined },
    attachDevice: { ...d, xml: '<disk/>' },
    detachDevice: { ...d, xml: '<disk/>' },
    updateDevice: { ...d, xml: '<disk/>' },
    detachDeviceAlias: { ...d, alias: 'a' },
    setVcpus: { ...d, count: 1 },
    setMemory: { ...d, memoryKiB: 1024n },
    setMemoryStatsPeriod: { ...d, seconds: 5 },
    setInterfaceParameters: { ...d, device: 'vnet0', params: [] },
    sendKey: { ...d, codeset: 0, holdMs: 0, keys: [28] },
    graphicsReload: { ...d, type: 0 },
    getAllStats: { domains: [], stats: 0, flags: 0 },
    memoryStats: { ...d, max: 16 },
    screenshot: { ...d, screen: 0 },
    openConsole: { ...d, device: undefined },
    openChannel: { ...d, name: undefined },
    blockResize: { ...disk, size: 1n },
    getBlockInfo: disk,
    setBlockThreshold: { ...disk, threshold: 1n },
    setBlockIoTune: { ...disk, params: [] },
    blockCommit: { ...disk, base: undefined, top: undefined, bandwidth: 0n },
    blockCopy: { ...disk, destinationXml: '<disk/>', params: [] },
    blockPull: { ...disk, bandwidth: 0n },
    blockJobAbort: disk,
    getBlockJobInfo: disk,
    blockJobSetSpeed: { ...disk, bandwidth: 0n },
    getDiskErrors: { ...d, max: 4 },
    snapshotCreate: { ...d, xml: '<domainsnapshot><name>s</name></domainsnapshot>' },
    snapshotGetXml: snapshot,
    listAllSnapshots: { ...d, needResults: true },
    snapshotDelete: snapshot,
    checkpointCreate: { ...d, xml: '<domaincheckpoint><name>c</name></domaincheckpoint>' },
    checkpointGetXml: checkpoint,
    listAllCheckpoints: { ...d, needResults: true },
    checkpointLookupByName: { ...d, name: 'c' },
    checkpointDelete: checkpoint,
    backupBegin: { ...d, xml: '<domainbackup/>', checkpointXml: undefined },
    backupGetXml: d,
    begin3: { ...d, params: [] },
    prepare3: { params: [], cookie, flags: 0 },
    perform3: { ...d, destination: undefined, params: [], cookie },
    finish3: { params: [], cookie, flags: 0, cancelled: true },
    confirm3: { ...d, params: [], cookie, cancelled: true },
    setMaxDowntime: { ...d, milliseconds: 100n },
    setMaxSpeed: { ...d, mibPerSecond: 100n },
    startPostCopy: d,
    getJobStats: d,
    abortJob: { domain },
    abortJobFlags: d,
    agentCommand: { ...d, command: '{"execute":"guest-ping"}', seconds: 1 },
    setAgentTimeout: { ...d, seconds: 1 },
    interfaceAddresses: { ...d, source: 0 },
    fsFreeze: { ...d, mountPoints: [] },
    fsThaw: { ...d, mountPoints: [] },
    fsTrim: { ...d, mountPoint: undefined, minimum: 0n },
    getFsInfo: d,
    getGuestInfo: { ...d, types: 0 },
    getTime: d,
    setTime: { ...d, seconds: 1n, nanoseconds: 0 },
    setUserPassword: { ...d, user: 'root', password: 'x' },
    secretDefine: { xml: '<secret/>', flags: 0 },
    secretSetValue: { secret, value: Uint8Array.of(1), flags: 0 },
    secretLookupByUuid: { uuid },
    secretUndefine: { secret },
  };
};

/** Not while trying them one by one: they end the connection or the domain that the others need. */
const notTried = new Set<ProcedureName>(['open', 'close', 'authList', 'authPolkit', 'destroy', 'undefine']);

test('every procedure of the table is understood, and its answer too', async () => {
  const answered: string[] = [];
  const unknown: string[] = [];
  for (const name of Object.keys(procedures) as ProcedureName[]) {
    if (notTried.has(name)) continue;
    await open('test:///default', async (transport) => {
      const [domain] = await libvirtClient(transport).listDomains();
      assert.ok(domain);
      try {
        const args = sampleArgs(domain)[name];
        await transport.call(procedures[name] as (typeof procedures)['getHostname'], args as object, {
          deadlineMs: 10_000,
        });
        answered.push(name);
      } catch (error) {
        assert.instance(error, AppError, String(error));
        const failure = error as AppError;
        // An older daemon does not know the newest ones.
        if (/unknown procedure/.test(failure.message)) {
          unknown.push(name);
          return;
        }
        // 39 is the daemon's "I could not read this"; garbage is ours.
        assert.not.equal(failure.details?.['code'], 39, `${name}: ${failure.message}`);
        assert.not.match(failure.code, /garbage|lost|deadline|unsendable/, `${name}: ${failure.message}`);
      }
      assert.is(transport.closed, false, name);
    });
  }
  assert.ok(answered.length > 30, `answered: ${answered.join(' ')}`);
  assert.ok(
    unknown.every((name) => name === 'graphicsReload'),
    unknown.join(' '),
  );
});

test('every kind of event can be registered that this daemon knows', async () => {
  await open('qemu:///system', async (transport) => {
    const refused: string[] = [];
    const { eventIdOf } = await import('./events.ts');
    for (const kind of domainEventKinds) {
      const registered = transport.call(procedures.registerDomainEvent, {
        eventId: eventIdOf(kind),
        domain: undefined,
      });
      await registered.catch(() => refused.push(kind));
    }
    // The newest kinds are refused by daemons that are older.
    assert.ok(
      refused.every((kind) => kind === 'nic-mac-change'),
      refused.join(' '),
    );
  });
});

test('a machine lives: create, events, state, statistics, devices, pictures, end', async () => {
  const told: string[] = [];
  const link = new Link(
    { log: silentLog },
    { ...system(), events: ['lifecycle', 'device-added', 'device-removed'] },
    {
      resync: async () => {},
      event: (event) => {
        if (event.kind === 'lifecycle') told.push(lifecycleOf(event.event, event.detail).name);
        else told.push(event.kind);
      },
    },
  );
  try {
    const client = libvirtClient(link);
    const domain = await client.createXml(xml(), { paused: true });
    assert.equal({ ...domain, id: domain.id > 0 }, { name: 'client-test', uuid, id: true });
    assert.equal(await client.state(domain), { state: 'paused', reason: 'by request' });
    await client.resume(domain);
    assert.is((await client.state(domain)).state, 'running');
    assert.match(await client.xml(domain), '<name>client-test</name>');

    const [stats] = await client.allStats(statsGroup.state | statsGroup.cpu | statsGroup.balloon);
    assert.is(stats?.domain.uuid, uuid);
    assert.is(stats?.values.number('state.state'), 1);
    assert.ok((stats?.values.number('balloon.maximum') ?? 0) >= 64 * 1024);

    const rng =
      "<rng model='virtio'><backend model='random'>/dev/urandom</backend><alias name='ua-rng'/></rng>";
    await client.attachDevice(domain, rng, modifyFlag.live);
    assert.match(await client.xml(domain), 'ua-rng');

    const picture = await takeScreenshot(system(), domain);
    const [begin, end] = [picture.bytes.subarray(0, 4), picture.bytes.subarray(-8)];
    const text = begin.toString('latin1');
    assert.ok(text.startsWith('P6') || text.includes('PNG'), text);
    // The screen may still be black, and then a whole picture is small.
    if (text.includes('PNG'))
      assert.ok(end.toString('latin1').includes('IEND'), `${picture.bytes.length} bytes`);

    const console = await openConsole(system(), domain);
    console.write('hello');
    console.destroy();
    await once(console, 'close');

    await client.suspend(domain);
    assert.is((await client.state(domain)).state, 'paused');
    await client.destroy(domain);
    await eventually('told of its end', () => told.includes('stopped'));
    assert.ok(told.includes('started') && told.includes('device-added'), told.join(' '));
    assert.equal(await client.listDomains(), []);
  } finally {
    await link.close();
  }
});

test('the daemon dies and comes back: the link too, and the machine is still there', async () => {
  const seen: string[] = [];
  const link = new Link(
    { log: silentLog },
    { ...system(), events: ['lifecycle'], retryMs: { first: 20, longest: 100 } },
    {
      resync: async (caller) => {
        seen.push((await libvirtClient(caller).listDomains()).map((domain) => domain.name).join());
      },
      event: () => {},
      down: (why) => seen.push(why.code),
    },
  );
  try {
    const client = libvirtClient(link);
    const domain = await client.createXml(xml());
    await daemon.kill();
    await eventually('noticed', () => seen.includes('libvirt.connection-lost'));
    await daemon.restart();
    await eventually('back', () => seen.length === 3, { deadlineMs: 20_000 });
    assert.equal(seen, ['', 'libvirt.connection-lost', 'client-test']);
    assert.equal(await client.state(domain), { state: 'running', reason: 'booted' });
    // This waits for the daemon to have its machine in hand again: one that is destroyed before is gone, yet "not found".
    await client.suspend(domain);
    await client.destroy(domain);
  } finally {
    await link.close();
  }
});

test('a stopped daemon is noticed within the keepalive time', async () => {
  const closed = Promise.withResolvers<AppError>();
  const transport = await openTransport(
    { ...system(), keepAliveMs: 100, keepAliveMisses: 3 },
    { closed: closed.resolve },
  );
  process.kill(daemon.pid, 'SIGSTOP');
  try {
    const started = performance.now();
    assert.match((await closed.promise).message, /no sign of life/);
    assert.ok(performance.now() - started < 2_000);
    assert.is(transport.closed, true);
  } finally {
    process.kill(daemon.pid, 'SIGCONT');
  }
});

test.run();
