import * as assert from 'uvu/assert';
import { startBare, waitBare } from '../test/lab/bare.ts';
import { labAnswers } from '../test/lab/form.ts';
import { type LabHost, openLab } from '../test/lab/lab.ts';
import { eventually } from '../test/support/eventually.ts';
import { suite } from '../test/support/suite.ts';

/** All that formation may have done on real hosts before it is declared is taken back; what is left can be formed anew. */
const test = suite('formation taken back', { deadlineMs: 170_000 });
const lab = await openLab({ prefix: 'tfundo', hosts: 3 });
const host1 = lab.host('host1');
const answerFile = '/run/answers.json';
const installer = '/usr/lib/trefoil/node /usr/lib/trefoil/trefoil-installer.mjs';

test.before(() => startBare(lab));
test.after(() => lab.stop());

const run = (command: string) =>
  host1.exec(['sh', '-c', `${installer} ${command}`], { okExitCodes: [1, 3, 124, 137], timeoutMs: 120_000 });

async function form(stopAfter: string): Promise<void> {
  const answers = labAnswers(lab.plan, await waitBare(lab), 'eleven blue herons');
  await host1.write(answerFile, JSON.stringify(answers), 0o600);
  const { exitCode, stdout, stderr } = await run(`form --answers ${answerFile} --stop-after ${stopAfter}`);
  assert.is(exitCode, 0, stdout + stderr);
}

/** All that formation makes on a host: state, network, units, mounts, disk. */
async function traces(host: LabHost): Promise<string> {
  const script = [
    'find /var/lib/trefoil /var/lib/etcd -mindepth 1 -type f | grep -v -e identity/ -e kvm.json | sort',
    'ls -A /var/lib/glusterd/vols /var/lib/glusterd/peers 2>/dev/null',
    'ip -brief link | cut -d " " -f 1 | sort; ip -brief -4 address | sort',
    'systemctl is-active etcd glusterd',
    'grep -e fuse.glusterfs -e /trefoil/bricks /proc/self/mountinfo',
    'pgrep -a gluster; pgrep -a etcd',
    'hostname; blkid -c /dev/null; cat /etc/trefoil/disks-allow-loop',
  ];
  return (await host.exec(['sh', '-c', `${script.join('; ')}; true`])).stdout;
}
const allTraces = () => Promise.all(lab.hosts.map(traces));

test('all but declared: its undo is killed again and again, goes on, and leaves bare hosts', async () => {
  const before = await allTraces();
  await form('mounts');
  // What a killed one had asked of a host goes on there while the next one asks for the same.
  for (const command of ['undo & sleep 1', 'undo & sleep 2', 'undo & sleep 3', 'undo &']) {
    const end = command.endsWith('&') ? 'wait $!' : '; kill -9 $!; wait $!';
    const { exitCode, stderr } = await run(`${command} ${end}`);
    assert.ok([0, 137].includes(exitCode) || stderr.includes('there is nothing to undo'), stderr);
  }
  await waitBare(lab);
  // A host says that it is free before its HA agent has forgotten the cluster too.
  let left: string[] = [];
  await eventually('bare hosts', async () => {
    left = await allTraces();
    return JSON.stringify(left) === JSON.stringify(before);
  }).catch(() => assert.equal(left, before));
});

test('the same hosts take bricks and volumes again', () => form('volume-engine'));

test.run();
