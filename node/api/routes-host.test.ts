import * as assert from 'uvu/assert';
import { suite } from '../../test/support/suite.ts';
import { AppError } from '../contract/error.ts';
import { leaveCluster, shared } from './routes-host.ts';

const test = suite('leaving a cluster');

function world(over: { vms?: string[]; only?: string[]; failing?: string } = {}) {
  const done: string[] = [];
  const step = (what: string) => ({
    what,
    undo: async () => {
      if (over.failing === what) throw new AppError({ code: 'x.busy', family: 'conflict', message: 'Busy.' });
      done.push(what);
    },
  });
  const leave = () =>
    leaveCluster({
      runningVms: async () => over.vms ?? [],
      onlyCopies: async () => over.only ?? [],
      steps: [step('volumes'), step('etcd'), step('networks')],
      forget: async () => void done.push('membership'),
    });
  return { done, leave };
}

async function codeOf(promise: Promise<unknown>): Promise<string> {
  try {
    await promise;
  } catch (error) {
    if (error instanceof AppError) return `${error.code}: ${error.message}`;
    throw error;
  }
  return 'no error';
}

test('what was done for the cluster is taken back in order, the membership last', async () => {
  const { done, leave } = world();
  await leave();
  assert.equal(done, ['volumes', 'etcd', 'networks', 'membership']);
});

test('a host with VMs, or with the only copy of a volume, stays, and nothing is changed', async () => {
  const withVms = world({ vms: ['web', 'mail'] });
  assert.is(await codeOf(withVms.leave()), 'host.has-vms: This host still runs the VMs web, mail.');
  const withCopy = world({ only: ['data'] });
  assert.match(await codeOf(withCopy.leave()), /^host.has-only-copy: The only copy of the volume data /);
  assert.equal([...withVms.done, ...withCopy.done], []);
});

test('when a step cannot be taken back the host is still a member and can be asked again', async () => {
  const { done, leave } = world({ failing: 'etcd' });
  assert.match(await codeOf(leave()), /^x.busy/);
  assert.equal(done, ['volumes']);
});

test('asked twice at once it is done once, and once more when asked later', async () => {
  const { done, leave } = world();
  const together = shared(leave);
  await Promise.all([together(), together()]);
  assert.equal(done, ['volumes', 'etcd', 'networks', 'membership']);
  await together();
  assert.is(done.length, 8);
  const failing = shared(world({ failing: 'etcd' }).leave);
  assert.match(await codeOf(failing()), /^x.busy/);
  assert.match(await codeOf(failing()), /^x.busy/);
});

test.run();
