import * as assert from 'uvu/assert';
import { etcdKeys } from '../../node/contract/etcd.ts';
import { clientOf } from '../../test/fakes/hosts/dispatch.ts';
import type { TestEngine } from '../../test/support/engine.ts';
import { type Arranged, jobRounds, type Scenario } from '../../test/support/job-rounds.ts';
import { suite } from '../../test/support/suite.ts';
import { deleteHost } from './store.ts';

const test = suite('adding a host survives everything', { deadlineMs: 40_000 });

const newcomer = (present: TestEngine) => {
  const host = present.world.hosts[3];
  if (host === undefined) throw new Error('no newcomer');
  return host;
};
const bodyFor = (present: TestEngine) => {
  const { id, options, code } = newcomer(present);
  return { id, address: options.address, name: 'host4', code };
};

const scenario: Scenario = {
  kind: 'host.add',
  steps: ['plan', 'join', 'network', 'time', 'storage', 'declare'],
  async arrange(present): Promise<Arranged> {
    const host = newcomer(present);
    if (host.kept.join !== undefined) await leave(present);
    return {
      submit: async (now) => (await now.client.call('addHost', { body: bodyFor(now) })).jobId,
      done: async (after) => {
        const { items } = await after.client.call('listHosts');
        assert.is(items.find(({ name }) => name === 'host4')?.state, 'online');
        await leave(after);
      },
      // The volumes' list of who may mount them may keep an address that nobody has.
      failedAt: (step) =>
        step === 'declare' || step === 'storage'
          ? async (after) => {
              assert.is(newcomer(after).kept.join, undefined);
              assert.is((await after.client.call('listHosts')).total, 3);
            }
          : 'same',
    };
  },
};

/** There is no job for it yet: as if it had never been here. */
async function leave(present: TestEngine): Promise<void> {
  const host = newcomer(present);
  await clientOf(present.world, host, 'engine').call('leave');
  await present.engine.hosts.remove(host.id);
  present.world.etcd.delete(etcdKeys.host(host.id));
  await deleteHost(present.database.db, host.id);
}

jobRounds(test, [scenario], { unjoined: 1 });
test.run();
