import * as assert from 'uvu/assert';
import type { JobId } from '../../engine/contract/common.ts';
import type { Vm } from '../../engine/contract/vms.ts';
import { endOf, type TestEngine } from './engine.ts';
import { eventually } from './eventually.ts';
import type { Arranged, Scenario } from './job-rounds.ts';

/** A job on a VM, for each kind: what is there before, and what must be true afterwards. */
const call = (engine: TestEngine, id: string): Promise<Vm> => engine.client.call('getVm', { params: { id } });

async function imageId(engine: TestEngine) {
  const image = await eventually('the image', async () => (await engine.client.call('listImages')).items[0]);
  return image.id;
}

export async function makeVm(engine: TestEngine, name: string, start: boolean, ha: boolean): Promise<string> {
  const { id, jobId } = await engine.client.call('createVm', {
    body: {
      name,
      imageId: await imageId(engine),
      diskMiB: 1024,
      memoryMiB: 128,
      start,
      ha: { enabled: ha },
    },
  });
  assert.is((await endOf(engine.client, jobId)).state, 'done');
  return id;
}

const hostsWith = (engine: TestEngine, id: string) =>
  engine.world.hosts.filter(({ kept }) => [...kept.vms.keys()].some((key) => key === id));
const diskCount = (engine: TestEngine): number =>
  [...(engine.world.volumes.get('data')?.files.keys() ?? [])].filter((path) => path.startsWith('disks/'))
    .length;

export const runsOnce = async (engine: TestEngine, id: string) => {
  await eventually(
    'it to run, on one host, and to be shown so',
    async () => {
      const vm = await call(engine, id);
      const [host, ...others] = hostsWith(engine, id);
      return vm.state === 'running' && vm.host?.id === host?.id && others.length === 0;
    },
    { deadlineMs: 15_000 },
  );
};
const isOffNowhere = async (engine: TestEngine, id: string) => {
  await eventually(
    'it to be off and on no host',
    async () => (await call(engine, id)).state === 'off' && hostsWith(engine, id).length === 0,
    { deadlineMs: 15_000 },
  );
};
/** Either is right after a failure in the middle; what matters is that what is shown is what is. */
const isOneOrTheOther = async (engine: TestEngine, id: string) => {
  await eventually(
    'what is shown to be what is',
    async () => {
      const vm = await call(engine, id);
      const running = hostsWith(engine, id).filter(({ kept }) =>
        [...kept.vms.values()].some((each) => each.spec.id === id && each.state === 'running'),
      );
      if (vm.state === 'running') return running.length === 1 && vm.host?.id === running[0]?.id;
      return vm.state === 'off' && running.length === 0;
    },
    { deadlineMs: 15_000 },
  );
};
export const leaveNothing = async (engine: TestEngine, id: string) => {
  const vm = await call(engine, id).catch(() => undefined);
  if (vm === undefined) return;
  if (vm.state === 'running') {
    const { jobId } = await engine.client.call('stopVm', { params: { id } });
    await endOf(engine.client, jobId);
  }
  const { jobId } = await engine.client.call('deleteVm', { params: { id } });
  await endOf(engine.client, jobId);
};

type ActionRoute = 'startVm' | 'stopVm' | 'shutdownVm' | 'rebootVm' | 'deleteVm';
const submit =
  (route: ActionRoute, id: string) =>
  async (engine: TestEngine): Promise<JobId> =>
    (await engine.client.call(route, { params: { id } })).jobId;

const labelOf = (ha: boolean): string => (ha ? ' of an HA VM' : '');

const onVm = (
  ha: boolean,
  kind: string,
  steps: readonly string[],
  route: ActionRoute,
  running: boolean,
  outcome: {
    done(engine: TestEngine, id: string): Promise<void>;
    failed: 'same' | ((engine: TestEngine, id: string, step: string) => Promise<void>);
  },
): Scenario => ({
  kind,
  label: labelOf(ha),
  steps,
  async arrange(engine, round): Promise<Arranged> {
    const id = await makeVm(engine, `vm${round}`, running, ha);
    const { failed } = outcome;
    return {
      submit: submit(route, id),
      done: async (after) => {
        await outcome.done(after, id);
        await leaveNothing(after, id);
      },
      failedAt: (step) =>
        failed === 'same'
          ? 'same'
          : async (after) => {
              await failed(after, id, step);
              await leaveNothing(after, id);
            },
    };
  },
});

export const createScenario = (ha: boolean): Scenario => ({
  kind: 'vm.create',
  label: labelOf(ha),
  steps: ['record', 'disks', 'ready', 'place', 'start'],
  async arrange(engine, round): Promise<Arranged> {
    const name = `vm${round}`;
    const body = {
      name,
      imageId: await imageId(engine),
      diskMiB: 1024,
      memoryMiB: 128,
      start: true,
      ha: { enabled: ha },
    };
    const disks = diskCount(engine);
    let id = '';
    return {
      submit: async (present) => {
        const created = await present.client.call('createVm', { body });
        id = created.id;
        return created.jobId;
      },
      done: async (after) => {
        await runsOnce(after, id);
        assert.is(diskCount(after), disks + 1);
        await leaveNothing(after, id);
      },
      failedAt: (step) =>
        step === 'record' || step === 'disks' || step === 'ready'
          ? 'same'
          : async (after) => {
              // It exists; only its start failed.
              await isOffNowhere(after, id);
              assert.is(diskCount(after), disks + 1);
              await leaveNothing(after, id);
            },
    };
  },
});

type Verb = 'start' | 'stop' | 'shutdown' | 'reboot' | 'migrate' | 'delete';
/** `ha`: HA keeps it running. */
export const vmScenarios = (ha: boolean): Record<Verb, Scenario> => ({
  start: onVm(ha, 'vm.start', ['place', 'start'], 'startVm', false, { done: runsOnce, failed: 'same' }),
  stop: onVm(ha, 'vm.stop', ['stop', 'release'], 'stopVm', true, {
    done: isOffNowhere,
    failed: isOneOrTheOther,
  }),
  shutdown: onVm(ha, 'vm.shutdown', ['ask', 'release'], 'shutdownVm', true, {
    done: isOffNowhere,
    failed: isOneOrTheOther,
  }),
  reboot: onVm(ha, 'vm.reboot', ['ask'], 'rebootVm', true, { done: runsOnce, failed: runsOnce }),
  delete: onVm(ha, 'vm.delete', ['mark', 'forget', 'disks', 'record'], 'deleteVm', false, {
    done: async (engine, id) => {
      assert.is(await call(engine, id).catch(() => undefined), undefined);
      assert.is(diskCount(engine), 0);
    },
    // Gone, or there to be deleted again: never half there and out of reach.
    failed: async (engine, id) => {
      const vm = await call(engine, id).catch(() => undefined);
      assert.ok(vm === undefined || vm.state === 'off', vm?.state);
    },
  }),
  migrate: {
    kind: 'vm.migrate',
    label: labelOf(ha),
    steps: ['choose', 'move', 'record'],
    async arrange(engine, round): Promise<Arranged> {
      const id = await makeVm(engine, `vm${round}`, true, ha);
      const from = (await call(engine, id)).host?.id;
      return {
        submit: async (present) =>
          (await present.client.call('migrateVm', { params: { id }, body: {} })).jobId,
        done: async (after) => {
          await runsOnce(after, id);
          assert.is.not((await call(after, id)).host?.id, from);
          await leaveNothing(after, id);
        },
        failedAt: () => async (after) => {
          await runsOnce(after, id);
          await leaveNothing(after, id);
        },
      };
    },
  },
});
