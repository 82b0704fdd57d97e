import * as assert from 'uvu/assert';
import { suite } from '../../test/support/suite.ts';
import type { HostDisk } from '../contract/disks.ts';
import { AppError } from '../contract/error.ts';
import { silentLog } from '../log/log.ts';
import { type BrickRecord, planBrick, thinDeviceOf } from './brick-decide.ts';
import { type BricksEnv, makeBricks } from './bricks.ts';

const test = suite('bricks');
const uuid = '0b1c2d3e-0000-4000-8000-000000000001';

const disk = (use: HostDisk['use'], more: Partial<HostDisk> = {}): HostDisk => ({
  path: '/dev/sdb',
  model: '',
  serial: 'S1',
  sizeMiB: 100_000,
  rotational: false,
  use,
  contents: use,
  ...more,
});
const place = (eraseData = false) => ({ kind: 'disk' as const, serial: 'S1', eraseData });
const world = (disks: HostDisk[], record?: BrickRecord, deviceMapper = false) => ({
  disks,
  record,
  deviceMapper,
  newUuid: uuid,
});
const refusal = (work: () => unknown): string => {
  try {
    work();
  } catch (error) {
    if (error instanceof AppError) return error.code;
    throw error;
  }
  return 'no refusal';
};
const words = (steps: ReturnType<typeof planBrick>) =>
  steps.map((step) => {
    if (step.do === 'run') return step.argv[0];
    if (step.do === 'record') return 'stage' in step.record ? `record ${step.record.stage}` : 'record';
    return step.do;
  });

test('what may be taken, and what never', () => {
  const taken = (use: HostDisk['use'], erase: boolean, more: Partial<HostDisk> = {}) =>
    refusal(() =>
      planBrick(
        'main',
        { ...place(erase), ...(more.serial === undefined ? {} : { serial: more.serial }) },
        world([disk(use, more)]),
      ),
    );
  assert.is(taken('free', false), 'no refusal');
  assert.is(taken('holds-data', false), 'disk.holds-data');
  assert.is(taken('holds-data', true), 'no refusal');
  assert.is(taken('brick', false), 'disk.brick');
  assert.is(taken('brick', true), 'disk.brick');
  assert.is(taken('in-use', true), 'disk.in-use');
  assert.is(taken('system', true), 'disk.system');
  assert.is(taken('holds-data', true, { serial: 'device:sdb' }), 'disk.no-identity');
  assert.is(
    refusal(() => planBrick('main', place(), world([]))),
    'disk.not-found',
  );
  const twins = [disk('free'), disk('free', { path: '/dev/sdc' })];
  assert.is(
    refusal(() => planBrick('main', place(), world(twins))),
    'disk.ambiguous',
  );
});

test('a plain disk: recorded before it is touched, and again when it is whole', () => {
  const steps = planBrick('main', place(), world([disk('free')]));
  assert.equal(words(steps), ['record making', 'erase', 'mkfs.xfs', 'record made', 'mount']);
  const mkfs = steps.find((step) => step.do === 'run');
  assert.equal(
    mkfs?.do === 'run' && mkfs.argv.join(' '),
    `mkfs.xfs -f -q -i size=512 -n size=8192 -m uuid=${uuid} -L trefoil /dev/sdb`,
  );
});

test('LVM where the kernel can', () => {
  const steps = planBrick('a-b', place(), world([disk('free')], undefined, true));
  assert.equal(words(steps), [
    'record making',
    'vgremove',
    'erase',
    'pvcreate',
    'vgcreate',
    'lvcreate',
    'lvcreate',
    'mkfs.xfs',
    'record made',
    'mount',
  ]);
  assert.is(thinDeviceOf('a-b'), '/dev/mapper/trefoil--a--b-brick');
});

test('after a power cut', () => {
  const record = (stage: 'making' | 'made'): BrickRecord => ({
    kind: 'disk',
    name: 'main',
    serial: 'S1',
    uuid,
    stage,
  });
  const making = planBrick('main', place(), world([disk('holds-data')], record('making')));
  assert.equal(words(making), ['record making', 'erase', 'mkfs.xfs', 'record made', 'mount']);
  assert.is(
    refusal(() => planBrick('main', place(), world([disk('in-use')], record('making')))),
    'disk.in-use',
  );
  assert.equal(words(planBrick('main', place(), world([disk('brick')], record('made')))), ['mount']);
  assert.is(
    refusal(() => planBrick('main', place(true), world([disk('free')], record('made')))),
    'brick.lost',
  );
  const elsewhere = { ...record('made'), serial: 'S9' } as BrickRecord; // same shape, another serial
  assert.is(
    refusal(() => planBrick('main', place(), world([disk('free')], elsewhere))),
    'brick.other-place',
  );
  assert.is(
    refusal(() => planBrick('main', { kind: 'directory' }, world([], record('made')))),
    'brick.other-place',
  );
});

/** A host with one empty disk; every tool call and record is seen, the power can go at any of them. */
function host(failAt = Number.POSITIVE_INFINITY) {
  const records = new Map<string, BrickRecord>();
  const state = { label: undefined as string | undefined, mounted: false, steps: 0, made: 0 };
  const step = () => {
    state.steps += 1;
    if (state.steps === failAt) throw new Error('power cut');
  };
  const lsblk = () =>
    JSON.stringify({
      blockdevices: [
        {
          kname: 'sdb',
          path: '/dev/sdb',
          type: 'disk',
          size: 1e9,
          serial: 'S1',
          rota: false,
          ro: false,
          mountpoints: [],
        },
      ],
    });
  const env: BricksEnv = {
    log: silentLog,
    hasDeviceMapper: async () => false,
    makeFolder: async () => undefined,
    newUuid: () => uuid,
    sizeOf: async () => ({ sizeMiB: 900, freeMiB: 890 }),
    devices: {
      exists: async () => true,
      readText: async (path) =>
        path === '/proc/self/mountinfo' && state.mounted
          ? '36 35 8:16 / /var/lib/trefoil/bricks/main rw - xfs /dev/sdb rw\n'
          : undefined,
      isHeld: async () => state.mounted,
      hasData: async () => false,
    },
    run: async ([tool]) => {
      if (tool === 'lsblk') return { exitCode: 0, stderr: '', stdout: lsblk() };
      if (tool === 'mkfs.xfs') {
        state.label = uuid;
        state.made += 1;
        step();
      }
      const signatures =
        state.label === undefined ? [] : [{ type: 'xfs', uuid: state.label, label: 'trefoil' }];
      return { exitCode: 0, stderr: '', stdout: JSON.stringify({ signatures }) };
    },
    records: {
      all: async () => [...records.values()],
      put: async (record) => {
        step();
        records.set(record.name, record);
        step();
      },
      remove: async (name) => void records.delete(name),
    },
    mounts: {
      files: {
        read: async () => undefined,
        write: async () => step(),
        remove: async () => undefined,
        makeFolder: async () => undefined,
      },
      units: {
        start: async () => {
          step();
          state.mounted = true;
        },
        stop: async () => {
          state.mounted = false;
        },
        enable: async () => undefined,
        disable: async () => undefined,
        daemonReload: async () => undefined,
        resetFailed: async () => undefined,
        status: async (name) => ({
          name,
          activeState: state.mounted ? 'active' : 'inactive',
          subState: '',
          loadState: 'loaded',
          fileState: 'enabled',
          needsReload: false,
          mainPid: undefined,
          exitStatus: undefined,
        }),
      },
    },
  };
  return { env, state, records, heal: () => (state.steps = Number.NEGATIVE_INFINITY) };
}

test('a brick is made once, and told the same again', async () => {
  const { env, state } = host();
  const bricks = makeBricks(env);
  assert.is((await bricks.disks())[0]?.use, 'free');
  const first = await bricks.ensure('main', place());
  assert.equal(first, {
    name: 'main',
    path: '/var/lib/trefoil/bricks/main',
    kind: 'disk',
    serial: 'S1',
    mounted: true,
    sizeMiB: 900,
    freeMiB: 890,
  });
  assert.equal(await bricks.ensure('main', place()), first);
  assert.is(state.made, 1);
  assert.is((await bricks.disks())[0]?.use, 'brick');
  assert.equal(await bricks.list(), [first]);
});

test('two at once: the second finds the disk taken', async () => {
  const { env, state } = host();
  const bricks = makeBricks(env);
  const both = await Promise.allSettled([bricks.ensure('main', place()), bricks.ensure('other', place())]);
  assert.equal(
    both.map((one) => one.status),
    ['fulfilled', 'rejected'],
  );
  assert.is(state.made, 1);
});

test('the power goes at each step: the next try ends well, and a whole file system is never made again', async () => {
  for (let failAt = 1; ; failAt += 1) {
    const { env, state, records, heal } = host(failAt);
    const failed = await makeBricks(env)
      .ensure('main', place())
      .then(
        () => false,
        () => true,
      );
    if (!failed) break;
    const record = records.get('main');
    const wasMade = record !== undefined && 'stage' in record && record.stage === 'made';
    const madeBefore = state.made;
    heal();
    const status = await makeBricks(env).ensure('main', place());
    assert.ok(status.mounted, `power cut at ${failAt}`);
    if (wasMade) assert.is(state.made, madeBefore, `power cut at ${failAt}`);
  }
});

test('forgotten: unmounted, what is on it stays and is protected', async () => {
  const { env, state } = host();
  const bricks = makeBricks(env);
  await bricks.ensure('main', place());
  await bricks.forget('main');
  await bricks.forget('main');
  assert.not(state.mounted);
  assert.is((await bricks.disks())[0]?.use, 'holds-data');
  const again = await bricks.ensure('main', place()).catch((error: unknown) => error);
  assert.instance(again, AppError);
});

test.run();
