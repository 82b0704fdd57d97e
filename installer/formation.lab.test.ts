import * as assert from 'uvu/assert';
import { readClusterFile } from '../test/lab/cluster-file.ts';
import { openLab } from '../test/lab/lab.ts';
import { suite } from '../test/support/suite.ts';

/** The installer on the first host of a formed cluster. Changes nothing. */
const test = suite('formation, on the formed cluster', { deadlineMs: 60_000 });
const cluster = await readClusterFile();
const lab = await openLab({ ...(cluster === undefined ? {} : { hosts: cluster.hosts.length }) });
const [first] = lab.hosts;
if (cluster === undefined || first === undefined) throw new Error('no lab is up: npm run up');

const answerFile = '/run/lab-answers.json';
const installer = ['/usr/lib/trefoil/node', '/usr/lib/trefoil/trefoil-installer.mjs'];
const run = (...argv: string[]) =>
  first.exec([...installer, ...argv], { okExitCodes: [1, 2, 3], timeoutMs: 50_000 });
const lines = (stdout: string) =>
  stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));

test('status says that it is formed, and how long each step took', async () => {
  const { exitCode, stdout } = await run('status', '--json');
  assert.is(exitCode, 0);
  const [status] = lines(stdout);
  assert.is(status.state, 'formed');
  assert.is(status.running, false);
  assert.equal(
    status.hosts.map((host: { name: string; address: string; storageAddress: string }) => ({
      name: host.name,
      address: host.address,
      storageAddress: host.storageAddress,
    })),
    cluster.hosts,
  );
  assert.is(status.times.length, status.steps);
});

test('a dry run shows the plan that was carried out', async () => {
  const { exitCode, stdout } = await run('form', '--answers', answerFile, '--dry-run', '--json');
  assert.is(exitCode, 0, stdout);
  const { plan } = lines(stdout).at(-1);
  assert.is(plan.volumes[1].layout, cluster.hosts.length >= 3 ? 'replica-3' : 'single');
});

test('formed once more with the same answers, nothing happens', async () => {
  const { exitCode, stdout } = await run('form', '--answers', answerFile);
  assert.is(exitCode, 0);
  assert.match(stdout, /^The cluster .* is formed\. Its page: https:\/\//);
});

test('it cannot be undone any more', async () => {
  const { exitCode, stderr } = await run('undo');
  assert.is(exitCode, 1);
  assert.match(stderr, 'was declared formed');
});

test('no secret of the formation is left', async () => {
  const { stdout } = await first.exec([
    'sh',
    '-c',
    'ls -A /var/lib/trefoil/formation; grep -c "PRIVATE KEY" /var/lib/trefoil/formation/* || true',
  ]);
  assert.match(stdout, 'journal.json');
  assert.not.match(stdout, 'secrets');
  assert.match(stdout, /(^|:)0$/m);
});

test.run();
