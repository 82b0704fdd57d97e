import * as assert from 'uvu/assert';
import { Refusal } from '../../test/fakes/libvirt/world.ts';
import {
  acquaint,
  arrive,
  type FakeRoom,
  type FakeRoomOptions,
  openFakeRoom,
  sampleVm,
} from '../../test/fakes/vms.ts';
import { eventually } from '../../test/support/eventually.ts';
import { suite } from '../../test/support/suite.ts';
import { AppError } from '../contract/error.ts';
import type { Task } from '../contract/tasks.ts';
import type { VmExpect } from '../contract/vms.ts';

const test = suite('live migration between two hosts');
const open: FakeRoom[] = [];
test.afterEach(async () => {
  for (const room of open.splice(0)) await room.close();
});

const vm = sampleVm({ generation: 5 });
const { id, name } = vm.spec;
const silence = () =>
  new AppError({ code: 'host.unreachable', family: 'unavailable', message: 'The other host is silent.' });

async function pair(targetOptions: FakeRoomOptions = {}): Promise<{ source: FakeRoom; target: FakeRoom }> {
  const [source, target] = await Promise.all([openFakeRoom(), openFakeRoom(targetOptions)]);
  open.push(source, target);
  acquaint(source, target);
  await source.vms.put(id, vm);
  return { source, target };
}
const begin = (source: FakeRoom, target: FakeRoom): Promise<Task> =>
  source.migrate.start(id, { targetHostId: target.hostId, targetAddress: '10.0.0.2', maxDowntimeMs: 300 });
const over = (room: FakeRoom, task: Task): Promise<Task> =>
  eventually('the task is over', async () => {
    await room.time.advance(500);
    const now = room.tasks.get(task.id);
    return now.state === 'running' ? undefined : now;
  });
const move = async (source: FakeRoom, target: FakeRoom): Promise<Task> =>
  over(source, await begin(source, target));
/** Work that waits for the clock and for the fake daemon by turns. */
async function driven(room: FakeRoom, work: Promise<void>): Promise<void> {
  let done = false;
  const ended = work.finally(() => {
    done = true;
  });
  await eventually('the work is done', async () => {
    await room.time.advance(500);
    return done;
  });
  await ended;
}
const stateOn = (room: FakeRoom): string =>
  room.book.find(id) === undefined ? 'none' : room.vms.get(id).state;

async function codeOf(promise: Promise<unknown>): Promise<string> {
  try {
    await promise;
  } catch (error) {
    if (error instanceof AppError) return error.code;
    throw error;
  }
  return 'no error';
}

/** libvirt's call fails; before that `first` happens to the world. */
function failing(source: FakeRoom, message: string, first: () => void = () => {}, code = 1): void {
  source.world.handlers.perform3 = () => {
    first();
    throw new Refusal({ code, message });
  };
}
/** The source stands still: it has given everything, and does not know whether the target has it. */
function standStill(source: FakeRoom): void {
  const domain = source.world.domains.get(id);
  assert.ok(domain);
  Object.assign(domain, { state: 3, reason: 2 });
  source.world.emit({ kind: 'lifecycle', callbackId: 0, domain: domain.ref, event: 3, detail: 1 });
}

test('a VM moves, and each host tells its part', async () => {
  const { source, target } = await pair();
  const task = await move(source, target);
  assert.is(task.state, 'done', task.error?.message);
  assert.is(task.result?.['hostId'], target.hostId);
  assert.is(source.told(id), 'off starting running migrating-out gone');
  await eventually('it runs there', () => stateOn(target) === 'running');
  assert.is(target.told(id), 'migrating-in running');
  const { generation, startedAt, power } = target.vms.get(id);
  assert.equal(
    { generation, startedAt, power },
    { generation: 5, startedAt: '2026-01-02T03:04:05.000Z', power: 'running' },
  );
  assert.equal([...source.disk.keys()], []);
  await eventually('kept there', () => target.disk.get(id)?.expectedFrom === undefined);
  assert.is(target.disk.get(id)?.last.state, 'alive');
  assert.is(target.histories.get(id), `history of ${id}`);
  assert.equal(target.prepared, [name]);
});

test('and back again', async () => {
  const { source, target } = await pair();
  await move(source, target);
  await eventually('it runs there', () => stateOn(target) === 'running');
  assert.is((await move(target, source)).state, 'done');
  await eventually('it runs here', () => stateOn(source) === 'running');
  assert.is(target.book.find(id), undefined);
});

test('libvirt fails: it stays, it runs, and the target has nothing', async () => {
  const { source, target } = await pair();
  failing(source, 'internal error: client socket is closed');
  const task = await move(source, target);
  assert.is(task.state, 'failed');
  assert.is(task.error?.code, 'vm.migration-failed');
  assert.is(
    task.error?.message,
    `web could not be moved to host-${target.hostId.slice(0, 4)}: the connection to host-${target.hostId.slice(0, 4)} was lost. It still runs where it was.`,
  );
  assert.is(stateOn(source), 'running');
  await eventually('the target knows', () => target.book.find(id) === undefined);
  assert.is(target.told(id), 'migrating-in gone');
  assert.equal([...target.disk.keys()], []);
  assert.is((await source.vms.act(id, 'stop')).state, 'off');
});

test('the target refuses: nothing was begun', async () => {
  const { source, target } = await pair({
    prepare: () =>
      Promise.reject(new AppError({ code: 'disk.missing', family: 'missing', message: 'No disk.' })),
  });
  const task = await move(source, target);
  assert.is(task.state, 'failed');
  assert.match(task.error?.message ?? '', 'No disk. It still runs where it was.');
  assert.not.ok(source.libvirt.calls.includes('perform3'));
  assert.is(target.book.find(id), undefined);
});

test('the target is silent from the start', async () => {
  const { source, target } = await pair();
  source.others.clear();
  const task = await move(source, target);
  assert.is(task.state, 'failed');
  assert.is(stateOn(source), 'running');
  source.others.set(target.hostId, target);
  assert.is((await move(source, target)).state, 'done');
});

test('asked twice it moves once; to two hosts it does not', async () => {
  const { source, target } = await pair();
  source.libvirt.faults.perform3 = { kind: 'silence' };
  const task = await begin(source, target);
  assert.is((await begin(source, target)).id, task.id);
  assert.is(
    await codeOf(
      source.migrate.start(id, { targetHostId: source.hostId, targetAddress: 'x', maxDowntimeMs: 300 }),
    ),
    'vm.already-here',
  );
  const other = await openFakeRoom();
  open.push(other);
  assert.is(await codeOf(begin(source, other)), 'vm.migrating');
  assert.is(await codeOf(source.vms.remove(id)), 'vm.migrating');
  assert.is(await codeOf(source.vms.put(id, { ...vm, generation: 9 })), 'vm.migrating');
  assert.is(await codeOf(source.vms.act(id, 'shutdown')), 'vm.migrating');
});

test('a VM that does not run cannot move', async () => {
  const { source, target } = await pair();
  await source.vms.act(id, 'stop');
  assert.is(await codeOf(begin(source, target)), 'vm.not-running');
});

test('cancelled: libvirt is told, and it stays', async () => {
  const { source, target } = await pair();
  let aborted = false;
  source.world.handlers.abortJob = () => {
    aborted = true;
    return {};
  };
  source.libvirt.faults.perform3 = [{ kind: 'late', afterMs: 300 }];
  failing(source, 'operation aborted: migration out: canceled by client', undefined, 78);
  const task = await begin(source, target);
  await eventually('libvirt was asked', () => source.libvirt.calls.includes('perform3'));
  source.tasks.cancel(task.id);
  const ended = await over(source, task);
  assert.is(ended.state, 'cancelled');
  assert.is(aborted, true);
  assert.is(ended.error?.code, 'vm.migration-cancelled');
  assert.is(stateOn(source), 'running');
  await eventually('the target knows', () => target.book.find(id) === undefined);
});

test('the last answer is lost, but the target has it: it has moved', async () => {
  const { source, target } = await pair();
  failing(source, 'End of file while reading data', () => {
    standStill(source);
    arrive(source, target, id);
  });
  const task = await move(source, target);
  assert.is(task.state, 'done', task.error?.message);
  await eventually('it runs there', () => stateOn(target) === 'running');
  assert.is(source.world.domains.has(id), false);
  assert.is(source.book.find(id), undefined);
});

test('the last answer is lost, and the target has nothing: it goes on here', async () => {
  const { source, target } = await pair();
  failing(source, 'End of file while reading data', () => standStill(source));
  const task = await move(source, target);
  assert.is(task.state, 'failed');
  await eventually('it goes on', () => stateOn(source) === 'running');
  assert.is(source.world.domains.get(id)?.state, 1);
  assert.is(target.book.find(id), undefined);
});

test('the target falls silent at the worst moment: nothing goes on until it has spoken', async () => {
  const { source, target } = await pair();
  failing(source, 'End of file while reading data', () => {
    standStill(source);
    arrive(source, target, id);
    source.wayFaults.set('DELETE incoming', { error: silence(), when: 'before', times: 100 });
  });
  const begun = await begin(source, target);
  const task = await eventually('it gives up', async () => {
    await source.time.advance(30_000);
    const now = source.tasks.get(begun.id);
    return now.state === 'running' ? undefined : now;
  });
  assert.is(task.state, 'failed');
  assert.is(stateOn(source), 'paused');
  assert.is(source.world.domains.get(id)?.state, 3);
  assert.ok(source.notices().includes('vm.move-unsettled'));
  await driven(source, source.migrate.tick());
  assert.is(stateOn(source), 'paused');

  source.wayFaults.clear();
  await driven(source, source.migrate.tick());
  assert.is(source.book.find(id), undefined);
  assert.is(source.world.domains.has(id), false);
  assert.is(stateOn(target), 'running');
  assert.ok(source.notices().includes('vm.move-settled'));
  assert.is(source.told(id), 'off starting running migrating-out paused migrating-out gone');
});

/** The source's agent dies and is started again: the same host, libvirt and disk. */
async function restarted(source: FakeRoom): Promise<FakeRoom> {
  const again = await openFakeRoom({ disk: source.disk, world: source.world, hostId: source.hostId });
  open.push(again);
  for (const [hostId, other] of source.others) {
    again.others.set(hostId, other);
    other.others.set(source.hostId, again);
  }
  return again;
}
/** The source stands still, the target is silent, the move has been given up. */
async function unsettledMove(source: FakeRoom, target: FakeRoom, how: 'arrived' | 'lost'): Promise<void> {
  failing(source, 'End of file while reading data', () => {
    standStill(source);
    if (how === 'arrived') arrive(source, target, id);
    source.wayFaults.set('DELETE incoming', { error: silence(), when: 'before', times: 100 });
  });
  const begun = await begin(source, target);
  await eventually('it gives up', async () => {
    await source.time.advance(30_000);
    return source.tasks.get(begun.id).state !== 'running';
  });
}

test('a move that nobody knows the end of is settled by the next agent: it is there', async () => {
  const { source, target } = await pair();
  await unsettledMove(source, target, 'arrived');
  assert.is(source.disk.get(id)?.movingTo?.hostId, target.hostId);
  const again = await restarted(source);
  again.wayFaults.set('DELETE incoming', { error: silence(), when: 'before', times: 1 });
  await driven(again, again.migrate.tick());
  assert.is(stateOn(again), 'paused', 'the other host is still silent');
  await driven(again, again.migrate.tick());
  assert.is(again.book.find(id), undefined);
  assert.is(again.world.domains.has(id), false);
  assert.is(stateOn(target), 'running');
  assert.equal([...again.disk.keys()], []);
  assert.ok(again.notices().includes('vm.move-settled'));
});

test('... or it is not: then it goes on where it was', async () => {
  const { source, target } = await pair();
  await unsettledMove(source, target, 'lost');
  const again = await restarted(source);
  await driven(again, again.migrate.tick());
  await eventually('it goes on', () => stateOn(again) === 'running');
  assert.is(again.world.domains.get(id)?.state, 1);
  await eventually('kept', () => again.disk.get(id)?.movingTo === undefined);
  assert.is(target.book.find(id), undefined);
});

test('the agent dies amid a move: one that runs on is looked at twice, one that is gone is asked for', async () => {
  const { source, target } = await pair();
  source.libvirt.faults.perform3 = { kind: 'silence' };
  await begin(source, target);
  await eventually('libvirt was asked', () => source.libvirt.calls.includes('perform3'));
  const again = await restarted(source);
  await driven(again, again.migrate.tick());
  assert.ok(again.disk.get(id)?.movingTo, 'once is too early to be sure');
  await driven(again, again.migrate.tick());
  await eventually('kept', () => again.disk.get(id)?.movingTo === undefined);
  assert.is(stateOn(again), 'running');

  again.libvirt.faults.perform3 = { kind: 'silence' };
  await begin(again, target);
  await eventually('libvirt was asked', () => again.libvirt.calls.includes('perform3'));
  arrive(again, target, id);
  again.world.stop(id, 'migrated');
  const third = await restarted(again);
  third.wayFaults.set('DELETE incoming', { error: silence(), when: 'before', times: 1 });
  await driven(third, third.migrate.tick());
  assert.is(stateOn(third), 'off');
  assert.is(await codeOf(third.vms.put(id, { ...vm, generation: 9 })), 'vm.migrating');
  await driven(third, third.migrate.tick());
  assert.is(third.book.find(id), undefined);
  assert.is(stateOn(target), 'running');
});

test('who does not know yet what its libvirt has promises nothing', async () => {
  const { source, target } = await pair();
  await target.incoming.expect(id, source.hostId, expectation());
  target.book.know('not-yet');
  assert.is(await codeOf(target.incoming.forget(id, source.hostId)), 'libvirt.not-ready');
  target.book.know('present');
  assert.is(await codeOf(target.incoming.forget(id, source.hostId)), 'no error');
});

test('it ends while it moves: off, on its own host', async () => {
  const { source, target } = await pair();
  failing(source, 'domain is not running', () => source.world.stop(id, 'shutdown'));
  const task = await move(source, target);
  assert.is(task.state, 'failed');
  assert.is(stateOn(source), 'off');
  assert.is(source.vms.get(id).reason, 'Its guest shut down.');
  assert.is(target.book.find(id), undefined);
});

const expectation = (change: Partial<VmExpect> = {}): VmExpect => ({
  generation: 5,
  spec: vm.spec,
  accelerator: 'tcg',
  fromName: 'host-a',
  ...change,
});
const host = (letter: string) => `${letter.repeat(8)}-2222-4333-8444-555555555555`;

test('tunnels are for the host that announced a VM, while it is expected', async () => {
  const { target } = await pair();
  assert.is(await codeOf(target.incoming.libvirtTunnel(host('a'))), 'vm.not-expected');
  await target.incoming.expect(id, host('a'), expectation());
  assert.is(await codeOf(target.incoming.libvirtTunnel(host('b'))), 'vm.not-expected');
  assert.is(await codeOf(target.incoming.memoryTunnel(id, host('b'))), 'vm.not-expected');
  const tunnels = [
    await target.incoming.libvirtTunnel(host('a')),
    await target.incoming.memoryTunnel(id, host('a')),
  ];
  await target.incoming.forget(id, host('b'));
  assert.is(stateOn(target), 'migrating-in');
  await target.incoming.forget(id, host('a'));
  assert.ok(tunnels.every((tunnel) => tunnel.destroyed));
  assert.is(target.book.find(id), undefined);
  assert.is(await codeOf(target.incoming.libvirtTunnel(host('a'))), 'vm.not-expected');
});

test('what cannot run here is refused before anything comes', async () => {
  const { source, target } = await pair();
  const expect = (room: FakeRoom, wanted: VmExpect) => codeOf(room.incoming.expect(id, host('a'), wanted));
  assert.is(await expect(source, expectation()), 'vm.running');
  assert.is(await expect(target, expectation({ accelerator: 'kvm' })), 'host.no-kvm');
  const nics = [{ mac: '52:54:00:00:00:01', network: 'nowhere', model: 'virtio' as const }];
  assert.is(await expect(target, expectation({ spec: { ...vm.spec, nics } })), 'network.no-bridge');
  assert.is(target.book.find(id), undefined);
  await target.incoming.expect(id, host('a'), expectation());
  assert.is(await codeOf(target.incoming.expect(id, host('b'), expectation())), 'vm.migrating');
});

test('a half-arrived VM is ended before the promise is given', async () => {
  const { source, target } = await pair();
  await target.incoming.expect(id, source.hostId, expectation());
  arrive(source, target, id, 'half');
  await eventually('seen', () => target.book.find(id)?.sight !== undefined);
  assert.is(stateOn(target), 'migrating-in');
  await driven(target, target.incoming.forget(id, source.hostId));
  assert.is(target.world.domains.has(id), false);
  assert.is(target.book.find(id), undefined);
});

test('a VM that never comes is forgotten; one that has arrived is not', async () => {
  const { source, target } = await pair();
  await target.incoming.expect(id, source.hostId, expectation());
  await target.time.advance(29_000);
  await target.incoming.tick();
  assert.is(stateOn(target), 'migrating-in');
  await target.time.advance(2_000);
  await target.incoming.tick();
  assert.is(target.book.find(id), undefined);

  await target.incoming.expect(id, source.hostId, expectation());
  arrive(source, target, id);
  await eventually('arrived', () => stateOn(target) === 'running');
  assert.is(await codeOf(target.incoming.forget(id, source.hostId)), 'vm.arrived');
});

test('the agent of the target starts anew: what has not arrived is gone', async () => {
  const { source, target } = await pair();
  await target.incoming.expect(id, source.hostId, expectation());
  const again = await openFakeRoom({ disk: new Map(target.disk) });
  open.push(again);
  assert.is(again.book.find(id), undefined);
  assert.equal([...again.disk.keys()], []);
});

test.run();
