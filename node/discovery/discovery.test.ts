import { randomUUID } from 'node:crypto';
import * as assert from 'uvu/assert';
import { eventually } from '../../test/support/eventually.ts';
import { suite } from '../../test/support/suite.ts';
import type { Announcement } from '../contract/host.ts';
import { type HostId, hostIdSchema } from '../contract/ids.ts';
import { silentLog } from '../log/log.ts';
import type { Avahi, FoundService, ResolvedService } from './avahi.ts';
import { makeDiscovery } from './discovery.ts';
import { readTxt, txtOf } from './txt.ts';

const test = suite('discovery');
const newId = () => hostIdSchema.parse(randomUUID());
const announcementOf = (id: HostId, over: Partial<Announcement> = {}): Announcement => ({
  id,
  name: 'host1',
  version: '0.1.0',
  state: 'unjoined',
  addresses: [],
  port: 7440,
  fingerprint: 'ab'.repeat(32),
  machine: 'A machine',
  cpuThreads: 4,
  memoryMiB: 8192,
  diskCount: 2,
  ...over,
});

/** A network of one avahi: what is put into `services` is found and can be resolved. */
function fakeAvahi() {
  const services = new Map<string, ResolvedService>();
  let events: Parameters<Avahi['browse']>[0] | undefined;
  let restarted: (() => void) | undefined;
  const announced: string[] = [];
  const errors: { announce?: Error; browse?: Error; resolve?: Error } = {};
  const serviceOf = (key: string): FoundService => {
    const [index = '', protocol = '', name = ''] = key.split(' ');
    return { name, interface: Number(index), protocol: Number(protocol) };
  };
  const avahi: Avahi = {
    announce: async (name, port, txt) => {
      if (errors.announce !== undefined) throw errors.announce;
      announced.push(`${name} ${port} ${txt.map(String).join(' ')}`);
    },
    withdraw: async () => {},
    browse: async (given) => {
      if (errors.browse !== undefined) throw errors.browse;
      events = given;
      for (const key of services.keys()) given.found(serviceOf(key));
    },
    resolve: async ({ name, interface: index, protocol }) => {
      if (errors.resolve !== undefined) throw errors.resolve;
      const service = services.get(`${index} ${protocol} ${name}`);
      if (service === undefined) throw new Error('not there');
      return service;
    },
    interfaceName: async (index) => `nic${index}`,
    onRestart: async (listener) => {
      restarted = listener;
    },
  };
  return {
    avahi,
    announced,
    errors,
    appear: (key: string, service: ResolvedService) => {
      services.set(key, service);
      events?.found(serviceOf(key));
    },
    disappear: (key: string) => {
      services.delete(key);
      events?.lost(serviceOf(key));
    },
    restart: () => restarted?.(),
  };
}

function fixture() {
  const world = fakeAvahi();
  let nowMs = 0;
  const own = { announcement: announcementOf(newId()) };
  const hosts = new Map<string, Announcement>();
  const discovery = makeDiscovery({
    avahi: world.avahi,
    ask: async ({ address, fingerprint }) => {
      const answer = hosts.get(address);
      if (answer === undefined || answer.fingerprint !== fingerprint) throw new Error('no answer');
      return answer;
    },
    id: own.announcement.id,
    announcement: async () => own.announcement,
    now: () => new Date(nowMs),
    monotonicMs: () => nowMs,
    sleep: () => new Promise(() => {}),
    log: silentLog,
  });
  const seen = async () =>
    (await discovery.discovered()).hosts.map(({ name, addresses }) => `${name}: ${addresses.join(' ')}`);
  return {
    world,
    own,
    hosts,
    discovery,
    seen,
    until: (text: string[]) =>
      eventually(
        `seen ${JSON.stringify(text)}`,
        async () => JSON.stringify(await seen()) === JSON.stringify(text),
      ),
    pass: async (ms: number) => {
      nowMs += ms;
      await discovery.tick();
    },
  };
}

const at = (address: string, announcement: Announcement): ResolvedService => ({
  address,
  port: announcement.port,
  txt: txtOf(announcement),
});

test('what is announced can be read again; what is not ours cannot', () => {
  const announcement = announcementOf(newId(), { machine: 'x'.repeat(400) });
  const txt = txtOf(announcement);
  assert.ok(txt.every((one) => one.length <= 255));
  assert.equal(readTxt(txt), { id: announcement.id, fp: announcement.fingerprint });
  assert.is(readTxt([Buffer.from('id=me'), Buffer.from('fp=00')]), undefined);
  assert.is(readTxt([Buffer.from([0xff, 0xfe]), Buffer.from('')]), undefined);
});

test('a host is announced once, and again when something about it changed', async () => {
  const f = fixture();
  await f.discovery.start();
  await f.pass(1000);
  assert.is(f.world.announced.length, 1);
  f.own.announcement = { ...f.own.announcement, state: 'joined' };
  await f.pass(1000);
  assert.is(f.world.announced.length, 2);
  assert.match(f.world.announced[1] ?? '', /state=joined/);
});

test('another host is found on each card, seen by its best address, and lost with its last announcement', async () => {
  const f = fixture();
  await f.discovery.start();
  const other = announcementOf(newId(), { name: 'host2' });
  f.hosts.set('fe80::2%nic3', other);
  f.hosts.set('10.0.0.2', other);
  f.world.appear(`3 1 ${other.id}`, at('fe80::2', other));
  f.world.appear(`3 0 ${other.id}`, at('10.0.0.2', other));
  f.world.appear(`3 0 ${f.own.announcement.id}`, at('10.0.0.1', f.own.announcement));
  await f.until(['host2: 10.0.0.2 fe80::2%nic3']);
  f.world.disappear(`3 0 ${other.id}`);
  await f.pass(11_000);
  await f.until(['host2: fe80::2%nic3']);
  f.world.disappear(`3 1 ${other.id}`);
  await f.until([]);
});

test('a host that no longer answers is not listed any more, and listed again when it does', async () => {
  const f = fixture();
  await f.discovery.start();
  const other = announcementOf(newId());
  f.hosts.set('10.0.0.2', other);
  f.world.appear(`3 0 ${other.id}`, at('10.0.0.2', other));
  await f.until(['host1: 10.0.0.2']);
  f.hosts.delete('10.0.0.2');
  await f.pass(11_000);
  await f.until(['host1: 10.0.0.2']);
  await f.pass(11_000);
  await f.until([]);
  f.hosts.set('10.0.0.2', other);
  await f.pass(11_000);
  await f.until(['host1: 10.0.0.2']);
});

test('an announcement that the host itself does not confirm is not listed', async () => {
  const f = fixture();
  await f.discovery.start();
  const forged = announcementOf(newId(), { fingerprint: 'cd'.repeat(32) });
  f.hosts.set('10.0.0.9', { ...forged, fingerprint: 'ee'.repeat(32) });
  f.world.appear(`3 0 ${forged.id}`, at('10.0.0.9', forged));
  await f.pass(11_000);
  assert.equal(await f.seen(), []);
});

test('a host that joined shows its new state and certificate', async () => {
  const f = fixture();
  await f.discovery.start();
  const before = announcementOf(newId());
  const after = { ...before, state: 'joined' as const, fingerprint: '12'.repeat(32) };
  f.hosts.set('10.0.0.2', before);
  f.world.appear(`3 0 ${before.id}`, at('10.0.0.2', before));
  await f.until(['host1: 10.0.0.2']);
  f.hosts.set('10.0.0.2', after);
  f.world.appear(`3 0 ${before.id}`, at('10.0.0.2', after));
  await eventually(
    'the new state',
    async () => (await f.discovery.discovered()).hosts[0]?.state === 'joined',
  );
});

test('when avahi comes back everything is announced and browsed again; while it is away nothing breaks', async () => {
  const f = fixture();
  f.world.errors.announce = new Error('no avahi');
  await f.discovery.start();
  f.world.errors.browse = new Error('no avahi');
  await f.pass(5_000);
  assert.is(f.world.announced.length, 0);
  delete f.world.errors.announce;
  delete f.world.errors.browse;
  f.world.restart();
  await eventually('announced', () => f.world.announced.length === 1);
  f.world.restart();
  await eventually('announced again', () => f.world.announced.length === 2);
});

test('a host that could not be resolved when it appeared is found when the list is read again', async () => {
  const f = fixture();
  await f.discovery.start();
  const other = announcementOf(newId());
  f.hosts.set('10.0.0.2', other);
  f.world.errors.resolve = new Error('no answer yet');
  f.world.appear(`3 0 ${other.id}`, at('10.0.0.2', other));
  await f.until([]);
  delete f.world.errors.resolve;
  await f.pass(11_000);
  await f.until(['host1: 10.0.0.2']);
});

test('strangers cannot fill the memory with announcements', async () => {
  const f = fixture();
  await f.discovery.start();
  for (let i = 0; i < 1000; i++) {
    const forged = announcementOf(newId());
    f.hosts.set(`10.0.0.${i}`, forged);
    f.world.appear(`3 0 ${forged.id}`, at(`10.0.0.${i}`, forged));
  }
  await eventually('not all of them', async () => (await f.seen()).length === 256);
});

test.run();
