import * as assert from 'uvu/assert';
import type { Vm } from '../../engine/contract/vms.ts';
import { haKeys } from '../../node/contract/ha.ts';
import type { TestEngine } from './engine.ts';
import { eventually } from './eventually.ts';
import type { Scenario } from './job-rounds.ts';
import { leaveNothing, makeVm, runsOnce } from './vm-scenarios.ts';

const vmOf = (engine: TestEngine, id: string): Promise<Vm> => engine.client.call('getVm', { params: { id } });

/**
 * The host of a plain VM, of an HA VM and of the engine's own VM goes into maintenance: as many of them as are on one host.
 */
export const maintenanceScenario: Scenario = {
  kind: 'host.maintenance',
  steps: ['mark', 'move'],
  async arrange(engine, round) {
    const plain = await makeVm(engine, `plain${round}`, true, false);
    const ha = await makeVm(engine, `ha${round}`, true, true);
    const vms = [plain, ha, engine.formed.engineVmId];
    const host = await eventually('the engine’s VM to have a host', async () => {
      const { host: on, state } = await vmOf(engine, engine.formed.engineVmId);
      return state === 'running' && on;
    });
    const { id } = host;
    for (const vm of [plain, ha]) await moveTo(engine, vm, id);
    const isMarked = () => engine.world.etcd.get(haKeys.maintenance(id)) !== undefined;
    const clean = async (after: TestEngine) => {
      for (const vm of vms) await runsOnce(after, vm);
      for (const vm of [plain, ha]) await leaveNothing(after, vm);
    };
    return {
      submit: async (present) => {
        const { jobId } = await eventually('nothing to speak against it', () =>
          present.client.call('beginMaintenance', { params: { id }, body: {} }).catch(() => undefined),
        );
        return jobId;
      },
      done: async (after) => {
        assert.ok(isMarked(), 'it takes no VMs');
        for (const vm of vms) assert.is.not((await vmOf(after, vm)).host?.id, id);
        assert.is((await after.client.call('getHost', { params: { id } })).maintenance?.state, 'ready');
        await after.client.call('endMaintenance', { params: { id } });
        assert.not.ok(isMarked(), 'it may have VMs again');
        await clean(after);
      },
      failedAt: (step) =>
        step === 'mark'
          ? async (after) => {
              assert.not.ok(isMarked(), 'it may have VMs');
              for (const vm of vms) assert.is((await vmOf(after, vm)).host?.id, id);
              await clean(after);
            }
          : async (after) => {
              assert.not.ok(isMarked(), 'it may have VMs again');
              await clean(after);
            },
    };
  },
};

async function moveTo(engine: TestEngine, vm: string, hostId: string): Promise<void> {
  await runsOnce(engine, vm);
  if ((await vmOf(engine, vm)).host?.id === hostId) return;
  const target = engine.world.hosts.find(({ id }) => id === hostId)?.id;
  if (target === undefined) throw new Error('there is no such host');
  await engine.client.call('migrateVm', { params: { id: vm }, body: { hostId: target } });
  await eventually('it to be there', async () => {
    const { host, state } = await vmOf(engine, vm);
    return state === 'running' && host?.id === hostId;
  });
}
