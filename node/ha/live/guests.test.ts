import * as assert from 'uvu/assert';
import { vmId } from '../../../test/sim/scenario.ts';
import { suite } from '../../../test/support/suite.ts';
import { AppError } from '../../contract/error.ts';
import { vmSpecSchema } from '../../contract/vms.ts';
import { lifecycleEvents } from '../../libvirt/constants.ts';
import { ParamReader } from '../../libvirt/typed-params.ts';
import { silentLog } from '../../log/log.ts';
import type { VmMetadata } from '../../vms/metadata.ts';
import { makeGuests } from './guests.ts';

const test = suite('HA’s guests on a host');
const id = vmId(1);
const spec = vmSpecSchema.parse({ id, name: 'web01', cpus: 1, memoryMiB: 128, disks: [], nics: [] });
const lockedByAnother = () =>
  new AppError({
    code: 'libvirt.internal',
    family: 'unavailable',
    message: 'internal error: process exited while connecting to monitor: Failed to get "write" lock',
  });
const lifecycle = (name: string, detail: string) => {
  const event = lifecycleEvents.findIndex((one) => one.name === name);
  const details: readonly string[] = lifecycleEvents[event]?.details ?? [];
  const domain = { name: 'web01', uuid: id, id: 1 };
  return { kind: 'lifecycle', callbackId: 0, domain, event, detail: details.indexOf(detail) } as const;
};

/** A libvirt with at most one domain. Time passes only while somebody waits. */
function hostOf() {
  let nowMs = 0;
  const world = {
    domain: undefined as VmMetadata | undefined,
    /** thrown instead of an answer, while there are any */
    createFails: [] as unknown[],
    hangs: false,
    killed: [] as number[],
    prepared: 0,
  };
  const ref = { name: 'web01', uuid: id, id: 1 };
  const answers = () => {
    if (world.hangs)
      throw new AppError({ code: 'libvirt.deadline', family: 'unavailable', message: 'no answer' });
  };
  const guests = makeGuests({
    libvirt: {
      createXml: async () => {
        answers();
        const failure = world.createFails.shift();
        if (failure !== undefined) throw failure;
        world.domain = building;
        return ref;
      },
      destroy: async () => {
        answers();
        world.domain = undefined;
      },
      lookup: async () => {
        answers();
        if (world.domain !== undefined) return ref;
        throw new AppError({ code: 'libvirt.no-domain', family: 'missing', message: 'no domain' });
      },
      allStats: async () => {
        answers();
        const state = { field: 'state.state', value: { type: 'int' as const, value: 1 } };
        return world.domain === undefined ? [] : [{ domain: ref, values: new ParamReader([state]) }];
      },
      metadata: async () => '',
    },
    metadataOf: async () => world.domain,
    leftovers: async () => (world.domain === undefined ? [] : [{ vm: id, epoch: 1, pid: 42 }]),
    kill: (pid) => {
      world.killed.push(pid);
      world.domain = undefined;
    },
    domainXml: (metadata) => {
      building = metadata;
      return '';
    },
    prepare: async () => {
      world.prepared += 1;
    },
    accelerator: async () => 'tcg',
    clock: {
      now: () => nowMs,
      sleep: async (ms) => {
        nowMs += ms;
      },
    },
    now: () => new Date(0),
    changed: () => {},
    log: silentLog,
  });
  let building: VmMetadata | undefined;
  return { world, guests, now: () => nowMs };
}
const yes = async () => true;
const codeOf = async (promise: Promise<unknown>) =>
  promise.then(
    () => 'none',
    (error) => (error instanceof AppError ? error.code : String(error)),
  );

test('one that is started runs, in the epoch that its domain carries', async () => {
  const { world, guests } = hostOf();
  await guests.start(spec, 3, 7, yes);
  assert.equal(guests.ends(), []);
  await guests.tick();
  assert.equal(guests.vms(), [{ vm: id, epoch: 3, state: 'running' }]);
  assert.is(world.domain?.generation, 7);
});

test('locks that a dead host’s bricks still hold are waited for; they are no failed try', async () => {
  const { world, guests, now } = hostOf();
  world.createFails = [lockedByAnother(), lockedByAnother()];
  await guests.start(spec, 1, 1, yes);
  assert.equal(guests.ends(), []);
  assert.ok(now() > 0);
});

test('a lock that stays is somebody’s disk: told, and counted as a failed try', async () => {
  const { world, guests } = hostOf();
  world.createFails = Array.from({ length: 1_000 }, lockedByAnother);
  assert.is(await codeOf(guests.start(spec, 1, 1, yes)), 'disk.locked');
  assert.equal(
    guests.ends().map(({ how }) => how),
    ['not-started'],
  );
});

test('what became another host’s while it waited is not started', async () => {
  const { world, guests } = hostOf();
  world.createFails = [lockedByAnother()];
  const answers = [true, false];
  assert.is(await codeOf(guests.start(spec, 1, 1, async () => answers.shift() ?? false)), 'ha.not-ours');
  assert.is(world.domain, undefined);
});

test('a domain that carries no epoch is not HA’s', async () => {
  const { world, guests } = hostOf();
  world.domain = { generation: 1, startedAt: '2026-01-01T00:00:00.000Z', accelerator: 'tcg', spec };
  await guests.tick();
  assert.equal(guests.vms(), []);
});

test('how it ended is told apart; an end that was ordered is none', async () => {
  for (const [detail, how] of [
    ['shut down', 'guest'],
    ['crashed', 'crashed'],
    ['stopped', 'crashed'],
    ['migrated away', 'moved'],
  ] as const) {
    const { world, guests } = hostOf();
    await guests.start(spec, 1, 1, yes);
    world.domain = undefined;
    guests.event(lifecycle('stopped', detail));
    assert.equal(
      guests.ends().map((end) => end.how),
      [how],
    );
  }
  const { guests } = hostOf();
  await guests.start(spec, 1, 1, yes);
  await guests.end(id);
  assert.equal(guests.vms() ?? [], []);
  assert.equal(guests.ends(), []);
});

test('libvirt hangs: what runs is seen by QEMU’s own files, and ended by signal', async () => {
  const { world, guests } = hostOf();
  await guests.start(spec, 1, 1, yes);
  world.hangs = true;
  await guests.tick();
  assert.equal(
    guests.vms()?.map(({ vm }) => vm),
    [id],
  );
  await guests.end(id);
  assert.equal(world.killed, [42]);
  assert.equal(guests.vms(), []);
});

test.run();
