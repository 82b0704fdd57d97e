import * as assert from 'uvu/assert';
import { FakeWorld } from '../../test/fakes/libvirt/world.ts';
import { type FakeRoom, type FakeRoomOptions, openFakeRoom, sampleVm } from '../../test/fakes/vms.ts';
import { eventually } from '../../test/support/eventually.ts';
import { suite } from '../../test/support/suite.ts';
import { AppError } from '../contract/error.ts';
import { domainXml } from './domain-xml.ts';
import { vmMetadataSchema } from './metadata.ts';
import { hostPaths } from './paths.ts';

const test = suite('VMs of a host');
const open: FakeRoom[] = [];
test.afterEach(async () => {
  for (const room of open.splice(0)) await room.close();
});

async function roomOf(options: FakeRoomOptions = {}): Promise<FakeRoom> {
  const room = await openFakeRoom(options);
  open.push(room);
  return room;
}
const vm = sampleVm();
const { id } = vm.spec;
const stateOf = (room: FakeRoom) => room.vms.get(id).state;
const until = (room: FakeRoom, state: string) => eventually(state, () => stateOf(room) === state);
const createdBy = (room: FakeRoom) => room.libvirt.calls.filter((name) => name === 'createXml').length;

async function codeOf(promise: Promise<unknown>): Promise<string> {
  try {
    await promise;
  } catch (error) {
    if (error instanceof AppError) return error.code;
    throw error;
  }
  return 'no error';
}

test('a VM is started, and everybody is told', async () => {
  const room = await roomOf();
  const status = await room.vms.put(id, vm);
  assert.is(status.state, 'running');
  assert.is(status.accelerator, 'tcg');
  assert.is(status.startedAt, '2026-01-02T03:04:05.000Z');
  assert.is(room.told(id), 'off starting running');
  assert.equal(room.prepared, ['web']);
  assert.equal(room.disk.get(id)?.spec, vm.spec);
  assert.is(room.disk.get(id)?.last.state, 'alive');
  assert.match(room.world.domains.get(id)?.xml ?? '', '<title>web</title>');
});

test('told twice it is started once; told something older it is refused', async () => {
  const room = await roomOf();
  await Promise.all([room.vms.put(id, vm), room.vms.put(id, vm)]);
  await room.vms.put(id, { ...vm, generation: 3 });
  assert.is(createdBy(room), 1);
  assert.is(room.vms.get(id).generation, 3);
  assert.is(await codeOf(room.vms.put(id, { ...vm, generation: 2 })), 'vm.older-generation');
  assert.is(room.disk.get(id)?.generation, 3);
});

test('told to be off it is kept and not started; a VM that runs goes on until an action ends it', async () => {
  const room = await roomOf();
  assert.is((await room.vms.put(id, { ...vm, power: 'off' })).state, 'off');
  assert.is(createdBy(room), 0);
  await room.vms.put(id, { ...vm, generation: 2 });
  assert.is((await room.vms.put(id, { ...vm, generation: 3, power: 'off' })).state, 'running');
});

test('the guest is asked, and ends', async () => {
  const room = await roomOf();
  await room.vms.put(id, vm);
  await room.vms.act(id, 'shutdown');
  await until(room, 'off');
  assert.is(room.vms.get(id).reason, 'Its guest shut down.');
  assert.is(room.vms.get(id).power, 'off');
  assert.is(room.vms.get(id).startedAt, undefined);
  await eventually('kept', () => room.disk.get(id)?.last.state === 'off');
});

test('a guest that does not listen runs again after a while, and can be stopped', async () => {
  const room = await roomOf();
  room.world.ignoresShutdown = true;
  await room.vms.put(id, vm);
  assert.is((await room.vms.act(id, 'shutdown')).state, 'stopping');
  await room.time.advance(121_000);
  await room.follow.tick();
  assert.is(stateOf(room), 'running');
  assert.is((await room.vms.act(id, 'stop')).state, 'off');
  assert.is(room.told(id), 'off starting running stopping running off');
  assert.is(await codeOf(room.vms.act(id, 'stop')), 'vm.not-running');
});

test('reboot and reset leave it running', async () => {
  const room = await roomOf();
  await room.vms.put(id, vm);
  assert.is((await room.vms.act(id, 'reboot')).state, 'running');
  assert.is((await room.vms.act(id, 'reset')).state, 'running');
});

test('a VM that runs is not deleted; one that is off is, with what was made for it', async () => {
  const room = await roomOf();
  await room.vms.put(id, vm);
  assert.is(await codeOf(room.vms.remove(id)), 'vm.running');
  await room.vms.act(id, 'stop');
  await room.vms.remove(id);
  assert.equal(room.vms.list(), []);
  assert.equal([...room.disk.keys()], []);
  assert.equal(room.cleaned, ['web']);
  assert.match(room.told(id), /off gone$/);
  await room.vms.remove(id);
  assert.is(await codeOf((async () => room.vms.get(id))()), 'vm.missing');
});

test('what cannot be started is off, and says why in plain words', async () => {
  const locked = 'internal error: process exited: Failed to get "write" lock';
  const faults = { createXml: [{ kind: 'error' as const, error: { code: 1, message: locked } }] };
  const room = await roomOf({ faults });
  assert.is(await codeOf(room.vms.put(id, vm)), 'disk.locked');
  assert.is(stateOf(room), 'off');
  assert.match(room.vms.get(id).reason, 'is in use by another VM or host');
  assert.is(room.told(id), 'off starting off');
  assert.is((await room.vms.put(id, vm)).state, 'running');
});

test('a disk that is missing is found before libvirt is asked', async () => {
  const missing = new AppError({ code: 'disk.missing', family: 'missing', message: 'No disk.' });
  const room = await roomOf({ prepare: () => Promise.reject(missing) });
  assert.is(await codeOf(room.vms.put(id, vm)), 'disk.missing');
  assert.is(createdBy(room), 0);
  assert.is(stateOf(room), 'off');
});

test('the answer to the start is lost: it runs, and is not started twice', async () => {
  const room = await roomOf({ faults: { createXml: [{ kind: 'hang-up-after' }] } });
  await room.vms.put(id, vm).catch(() => {});
  await until(room, 'running');
  assert.is((await room.vms.put(id, vm)).state, 'running');
  assert.is(createdBy(room), 1);
});

test('QEMU dies: crashed, and it can be started again', async () => {
  const room = await roomOf();
  await room.vms.put(id, vm);
  room.world.stop(id, 'crashed');
  await until(room, 'crashed');
  assert.is((await room.vms.put(id, { ...vm, generation: 2 })).state, 'running');
});

test('the agent starts anew: what runs is known, what ended meanwhile too', async () => {
  const world = new FakeWorld();
  const before = await openFakeRoom({ world });
  await before.vms.put(id, vm);
  await before.close();
  const room = await roomOf({ world, disk: before.disk });
  assert.is(stateOf(room), 'running');
  assert.is(room.vms.get(id).startedAt, '2026-01-02T03:04:05.000Z');
  assert.equal(room.notices(), []);
  await room.link.close();

  const empty = await roomOf({ disk: new Map(before.disk) });
  assert.is(empty.vms.get(id).reason, 'It ended while the host agent was not running.');
  const rebooted = await roomOf({ disk: new Map(before.disk), bootId: 'boot-2' });
  assert.is(stateOf(rebooted), 'off');
  assert.is(rebooted.vms.get(id).reason, 'Its host was restarted while it ran.');
});

test('a VM whose record is lost is known again; a machine of somebody else is left alone', async () => {
  const world = new FakeWorld();
  const before = await openFakeRoom({ world });
  await before.vms.put(id, { ...vm, generation: 8 });
  world.start('<domain><name>other</name><uuid>99999999-2222-4333-8444-555555555555</uuid></domain>');
  await before.close();
  const room = await roomOf({ world });
  assert.is(room.vms.get(id).generation, 8);
  assert.is(stateOf(room), 'running');
  assert.equal(room.notices().sort(), ['vm.adopted', 'vm.unknown-domain']);
  assert.is(room.vms.list().length, 1);
  assert.is(world.domains.size, 2);
  await room.follow.tick();
  assert.is(room.notices().length, 2);
});

const startedByHa = (generation: number, epoch: number) =>
  domainXml(
    vmMetadataSchema.parse({
      generation,
      epoch,
      startedAt: '2026-01-02T03:04:05.000Z',
      accelerator: 'tcg',
      spec: { ...vm.spec, memoryMiB: 64 + generation },
    }),
    { paths: hostPaths('/state', '/run', '/log'), bridgeOf: (name) => name },
  );

test('a VM that HA starts here is known at once, without a word of wonder, and again with what is new', async () => {
  const room = await roomOf();
  room.world.start(startedByHa(3, 1));
  await eventually('it is known', () => room.vms.list()[0]?.state === 'running');
  assert.is(room.told(id), 'running');
  assert.is(room.vms.get(id).generation, 3);
  await room.vms.act(id, 'stop');
  await until(room, 'off');
  room.world.start(startedByHa(4, 2));
  await until(room, 'running');
  await eventually('the newer record', () => room.vms.get(id).generation === 4);
  assert.is(room.vms.get(id).memoryMiB, 68);
  assert.is(room.disk.get(id)?.generation, 4);
  assert.equal(room.notices(), []);
});

test('libvirt is away for a moment: nobody hears of it; for long: unknown until it is back', async () => {
  const room = await roomOf();
  await room.vms.put(id, vm);
  room.libvirt.hangUp();
  await eventually('the link is back', () => room.link.state === 'up');
  assert.is(room.told(id), 'off starting running');

  room.follow.down();
  await room.time.advance(11_000);
  await room.follow.tick();
  assert.is(stateOf(room), 'unknown');
  room.libvirt.hangUp();
  await until(room, 'running');
});

test('an event that was missed is seen by looking', async () => {
  const room = await roomOf();
  await room.vms.put(id, vm);
  room.world.domains.delete(id);
  await room.follow.tick();
  assert.is(stateOf(room), 'running', 'the event may still be on its way');
  await room.follow.tick();
  assert.is(stateOf(room), 'off');
});

test('statistics are told for all VMs at once', async () => {
  const room = await roomOf();
  await room.vms.put(id, vm);
  await room.follow.tick();
  await eventually('told', () => room.events.some((event) => event.kind === 'vm-statistics'));
  assert.is(room.follow.statistics()[0]?.id, id);
});

test('storage hangs, and QEMU with it: no numbers, but states are known, and nothing piles up', async () => {
  const room = await roomOf();
  await room.vms.put(id, vm);
  // states first, then numbers: every second call is answered by nobody
  room.libvirt.faults.getAllStats = [undefined, { kind: 'silence' }];
  await room.follow.tick();
  room.world.stop(id, 'crashed');
  await room.follow.tick();
  await room.follow.tick();
  await until(room, 'crashed');
  // one at the beginning, one for states in each round, one for numbers
  assert.is(room.libvirt.calls.filter((name) => name === 'getAllStats').length, 5);
});

test('a VM that stands still for its storage goes on by itself, and flickers for nobody', async () => {
  const room = await roomOf();
  await room.vms.put(id, vm);
  const domain = room.world.domains.get(id);
  assert.ok(domain);
  const standStill = () => {
    Object.assign(domain, { state: 3, reason: 5 });
    room.world.emit({ kind: 'lifecycle', callbackId: 0, domain: domain.ref, event: 3, detail: 2 });
  };
  standStill();
  await until(room, 'paused');
  assert.match(room.vms.get(id).reason, 'Its storage does not answer');
  await room.follow.tick();

  const { resume } = room.world.handlers;
  room.world.handlers.resume = (args) => {
    const answer = resume?.(args) ?? {};
    standStill();
    return answer;
  };
  await room.time.advance(11_000);
  await room.follow.tick();
  await eventually('it was tried in vain', () => room.book.need(id).doing.kind === 'nothing');
  assert.equal(room.notices(), ['vm.paused-by-storage']);

  if (resume !== undefined) room.world.handlers.resume = resume;
  await room.time.advance(11_000);
  await room.follow.tick();
  await eventually('it was tried', () => room.book.need(id).sight?.state === 'running');
  assert.is(stateOf(room), 'paused');
  await room.follow.tick();
  assert.is(stateOf(room), 'running');
  assert.is(room.told(id), 'off starting running paused running');
  assert.equal(room.notices(), ['vm.paused-by-storage', 'vm.storage-back']);
});

test.run();
